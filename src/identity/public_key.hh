// The public key of a certificate, read from its DER. Decoding it would take OpenSSL a hundred times longer,
// and a bundle map has one for each authority of thousands of trust domains. Pure.
#pragma once

#include <optional>
#include <string>

#include "identity/certificate.hh"
#include "identity/der.hh"

namespace spiffe::identity {

// The content of the SubjectPublicKeyInfo (RFC 5280, section 4.1), a span of `certificate`. nullopt if the
// certificate cannot be parsed up to it.
[[nodiscard]] std::optional<DerSpan> public_key_info(const Bytes& certificate);

// Whether `oid` is rsaEncryption or RSASSA-PSS.
[[nodiscard]] bool is_rsa_oid(DerSpan oid);

// The members of a JWK for the key (RFC 7518, section 6): `"kty":"EC","crv":"P-256","x":"…","y":"…"` or
// `"kty":"RSA","n":"…","e":"…"`. nullopt for any other kind of key, and for a malformed key.
[[nodiscard]] std::optional<std::string> public_jwk_members(const Certificate& certificate);

}  // namespace spiffe::identity
