// Certificate paths made of any bytes, to compare is_usual_path() with OpenSSL. The certificates are written
// byte by byte: names that are equal or empty, identifiers that are missing or wrong, every form of a date,
// curves, digests, extensions that are malformed, unknown or duplicate. A zero byte is the good choice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "identity/certificate.hh"

namespace spiffe::test {

// Whether X509_verify_cert accepts the path at kNow, with the parameters that verify_chain() gives it.
[[nodiscard]] bool openssl_accepts(const std::vector<identity::Certificate>& chain,
                                   const identity::Certificate& authority);

struct PathTally {
  std::uint64_t paths = 0;
  std::uint64_t usual = 0;     // accepted by is_usual_path()
  std::string counterexample;  // the first of them that OpenSSL refuses, as PEM, leaf first; or ""
};

// Makes three to six certificates from `seed`, which sign each other, and compares every ordered selection of
// two to four of them as a path (the last is the authority). If the first byte of `seed` is odd, the bytes
// after it are expanded to an endless stream; otherwise they are used unchanged, followed by zeros.
void compare_paths(std::span<const std::uint8_t> seed, PathTally& tally);

}  // namespace spiffe::test
