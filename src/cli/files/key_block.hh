// Private keys in PEM files: PKCS#8, SEC 1 and PKCS#1. Pure.
#pragma once

#include "base/openssl.hh"
#include "base/result.hh"
#include "base/secret.hh"
#include "cli/files/pem_blocks.hh"

namespace spiffe::cli {

struct KeyBlock {
  PkeyPtr key;
  SecretBytes pkcs8;  // DER; unchanged if the block is PKCS#8
};

// DER. Empty if the key cannot be encoded.
[[nodiscard]] SecretBytes pkcs8_of(const EVP_PKEY* key);

[[nodiscard]] bool is_private_key(const PemBlock& block);

// Error of kind verification: encrypted, not readable, or another type than its label.
[[nodiscard]] Result<KeyBlock> read_key(const PemBlock& block);

}  // namespace spiffe::cli
