// Parses PKCS#12 (RFC 7292). Pure.
#pragma once

#include <vector>

#include "base/result.hh"
#include "base/secret.hh"
#include "cli/files/pem_blocks.hh"

namespace spiffe::cli {

[[nodiscard]] bool is_pkcs12(const SecretBytes& content);

// Its content as PEM blocks: the key, the certificate of the key, then the other certificates in their order.
// `password` null: tries "changeit", then the empty password. Error kind verification.
[[nodiscard]] Result<std::vector<PemBlock>> pkcs12_blocks(const SecretBytes& content,
                                                          const SecretBytes* password);

}  // namespace spiffe::cli
