// Reading PKCS#12 (RFC 7292). Pure.
#pragma once

#include <vector>

#include "base/result.hh"
#include "base/secret.hh"
#include "cli/files/pem_blocks.hh"

namespace spiffe::cli {

[[nodiscard]] bool is_pkcs12(const SecretBytes& content);

// What is in it, as PEM would hold it: the key, the certificate of the key, then the other certificates in
// their order. `password` null: "changeit", then the empty one. Error kind verification.
[[nodiscard]] Result<std::vector<PemBlock>> pkcs12_blocks(const SecretBytes& content,
                                                          const SecretBytes* password);

}  // namespace spiffe::cli
