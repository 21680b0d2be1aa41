// Private keys: generated for each SVID and never stored.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/openssl.hh"
#include "base/result.hh"

namespace spiffe::dev_agent {

enum class KeyType { ec_p256, ec_p384, rsa_2048, rsa_4096, ed25519 };

// In the order of the enum.
inline constexpr std::array<std::string_view, 5> kKeyTypeNames = {"ec-p256", "ec-p384", "rsa-2048",
                                                                  "rsa-4096", "ed25519"};

[[nodiscard]] Result<KeyType> parse_key_type(std::string_view name);
[[nodiscard]] Result<PkeyPtr> make_key(KeyType type);
// Unencrypted PKCS#8, DER.
[[nodiscard]] Result<std::string> pkcs8(EVP_PKEY* key);

// As X509_set_pubkey, but faster for EC keys.
[[nodiscard]] bool set_public_key(X509* certificate, EVP_PKEY* key);

}  // namespace spiffe::dev_agent
