// The strength of a certificate's RSA key, read from its DER: decoding the key would take OpenSSL a thousand
// times longer. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "identity/certificate.hh"

namespace spiffe::identity {

inline constexpr std::size_t kMinRsaBits = 2048;  // OpenSSL's security level 2; RFC 7518, section 3.3

// The size of the modulus in bits; 0 if the key is not an RSA key, or is malformed.
[[nodiscard]] std::size_t rsa_bits(const Certificate& certificate);

// Whether the key is an RSA key of fewer than kMinRsaBits.
[[nodiscard]] bool has_weak_rsa_key(const Certificate& certificate);

// The text of the warning for a weak key. `name` denotes the certificate: "the leaf certificate".
[[nodiscard]] std::string weak_rsa_warning(const Certificate& certificate, const std::string& name);

}  // namespace spiffe::identity
