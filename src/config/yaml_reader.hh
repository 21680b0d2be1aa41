// Reads YAML by libyaml's events, strictly: what YAML 1.1 and 1.2 read differently (`on`, `yes`) is refused,
// and so are tags but `!!str`, merge keys, keys given twice, and a second document. An alias stands for a
// copy of what its anchor names, as far as a configuration can need that.
#pragma once

#include <string>
#include <string_view>

#include "config/document.hh"

namespace spiffe::config {

// Numbers keep their spelling: `0444`, `0o444`, `292`. A file without any value is an empty object.
[[nodiscard]] Result<Document> parse_yaml(std::string_view text, std::string source);

// A value of any kind, for variables; null where there is none.
[[nodiscard]] Result<Value> parse_yaml_value(std::string_view text, std::string_view source);

}  // namespace spiffe::config
