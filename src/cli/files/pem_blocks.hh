// Reading PEM (RFC 7468). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"
#include "base/secret.hh"

namespace spiffe::cli {

struct PemBlock {
  std::string label;  // "CERTIFICATE", "PRIVATE KEY" …, as it stands there
  SecretBytes der;
};

// The blocks of `text`, in order; what stands between them is a comment. No block is no error. The error, of
// kind verification, names the block and repeats none of it.
[[nodiscard]] Result<std::vector<PemBlock>> parse_pem(std::string_view text);

}  // namespace spiffe::cli
