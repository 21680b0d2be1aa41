// Keys and the ways in which they sign, for certificates that are written byte by byte.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/openssl.hh"

namespace spiffe::test {

struct SignatureForm {
  std::string algorithm;  // AlgorithmIdentifier, DER
  EVP_PKEY* key = nullptr;
  const char* digest = nullptr;  // nullptr: the key's own
  bool pss = false;

  // "" if the key is too short for the digest.
  [[nodiscard]] std::string sign(std::string_view content) const;
};

struct PathKey {
  PkeyPtr key;
  std::string public_key;            // SubjectPublicKeyInfo, DER
  std::vector<SignatureForm> forms;  // the usual one first
};

// The first ones are RSA keys of 512 bits, for speed; made once.
[[nodiscard]] const std::vector<PathKey>& path_keys();

}  // namespace spiffe::test
