// Parses PEM (RFC 7468). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"
#include "base/secret.hh"

namespace spiffe::cli {

struct PemBlock {
  std::string label;  // "CERTIFICATE", "PRIVATE KEY" …, unchanged
  SecretBytes der;
};

// The blocks of `text`, in order. Text between blocks is ignored, and a text without blocks is not an error.
// The error, of kind verification, names the block without quoting its content.
[[nodiscard]] Result<std::vector<PemBlock>> parse_pem(std::string_view text);

}  // namespace spiffe::cli
