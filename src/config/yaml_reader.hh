// Reads YAML by libyaml's events, strictly: refuses values that YAML 1.1 and 1.2 read differently (`on`,
// `yes`), tags except `!!str`, merge keys, repeated keys, and a second document. An alias becomes a copy of
// its anchor's value, limited to a size that a configuration can need.
#pragma once

#include <string>
#include <string_view>

#include "config/document.hh"

namespace spiffe::config {

// Numbers keep their spelling: `0444`, `0o444`, `292`. A file without a value is an empty object.
[[nodiscard]] Result<Document> parse_yaml(std::string_view text, std::string source);

// A value of any kind, for variables; null if there is none.
[[nodiscard]] Result<Value> parse_yaml_value(std::string_view text, std::string_view source);

}  // namespace spiffe::config
