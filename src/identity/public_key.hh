// The public key of a certificate, read from its DER: decoding it would take OpenSSL a hundred times longer,
// and a bundle map has one for each authority of thousands of trust domains. Pure.
#pragma once

#include <optional>
#include <string>

#include "identity/certificate.hh"
#include "identity/der.hh"

namespace spiffe::identity {

// The content of the SubjectPublicKeyInfo (RFC 5280, section 4.1); it lies within `certificate`. None where
// the certificate cannot be read so far.
[[nodiscard]] std::optional<DerSpan> public_key_info(const Bytes& certificate);

// rsaEncryption and RSASSA-PSS.
[[nodiscard]] bool is_rsa_oid(DerSpan oid);

// The members of a JWK for the key (RFC 7518, section 6): `"kty":"EC","crv":"P-256","x":"…","y":"…"` or
// `"kty":"RSA","n":"…","e":"…"`. None for any other kind, and for a key that is malformed.
[[nodiscard]] std::optional<std::string> public_jwk_members(const Certificate& certificate);

}  // namespace spiffe::identity
