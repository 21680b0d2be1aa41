// Checks that a private key has a supported type and belongs to a certificate. Pure.
//
// The arithmetic is done here instead of through EVP_PKEY: OpenSSL 3.0 needs 0.6 ms to decode a PKCS#8 key,
// on every rotation, and then trusts the public half that the key file states.
#pragma once

#include <span>

#include <openssl/x509.h>

#include "base/result.hh"

namespace spiffe::identity {

// `pkcs8` must be an unencrypted PKCS#8 DER key without trailing bytes, of type RSA, EC (P-256, P-384, P-521)
// or Ed25519, and the public half computed from it must be that of `leaf`. Errors never contain bytes of the
// key.
[[nodiscard]] Result<void> check_private_key(std::span<const std::byte> pkcs8, const X509* leaf);

}  // namespace spiffe::identity
