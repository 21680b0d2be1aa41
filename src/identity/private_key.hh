// Whether a private key is one of the accepted kinds and belongs to a certificate. Pure.
//
// The arithmetic is done here instead of through EVP_PKEY: OpenSSL 3.0 needs 0.6 ms to decode a PKCS#8 key,
// on every rotation, and then believes the public half that the key file claims.
#pragma once

#include <span>

#include <openssl/x509.h>

#include "base/result.hh"

namespace spiffe::identity {

// Rule 20: `pkcs8` is an unencrypted PKCS#8 DER key, exactly consumed; RSA, EC P-256, P-384, P-521 or
// Ed25519; and its public half, derived from the private one, is that of `leaf`. Errors never hold key bytes.
[[nodiscard]] Result<void> check_private_key(std::span<const std::byte> pkcs8, const X509* leaf);

}  // namespace spiffe::identity
