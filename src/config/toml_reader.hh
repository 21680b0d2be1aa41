// Reads TOML 1.0.
#pragma once

#include <string>
#include <string_view>

#include "config/document.hh"

namespace spiffe::config {

[[nodiscard]] Result<Document> parse_toml(std::string_view text, std::string source);

}  // namespace spiffe::config
