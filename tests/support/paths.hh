// Paths of certificates made of any bytes, to compare the quick look at chains with OpenSSL. The certificates
// are written byte by byte: names that are equal or empty, identifiers that lack or lie, every form of a
// date, curves, digests, extensions that are malformed, unknown or there twice. A zero byte is the good
// choice.
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
  std::uint64_t usual = 0;     // is_usual_path() said yes
  std::string counterexample;  // the first path that OpenSSL refuses all the same, as PEM, leaf first; or ""
};

// Makes three to six certificates of `seed`, which sign each other, and looks at every ordered pick of two to
// four of them as a path (the last is the authority). If the first byte of `seed` is odd, the bytes behind it
// are expanded to an endless stream; otherwise they are used as they are, followed by zeros.
void compare_paths(std::span<const std::uint8_t> seed, PathTally& tally);

}  // namespace spiffe::test
