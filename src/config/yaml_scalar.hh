// The type of an unquoted word in YAML.
#pragma once

#include <string_view>

#include "config/document.hh"

namespace spiffe::config {

// Null, boolean, integer, real or text, as in YAML 1.2's core schema; integers also in the forms of YAML 1.1
// and Go (0444, 0b11, 1_000). An error if the two versions read it differently; `source` is for its place.
[[nodiscard]] Result<Value> plain_yaml_value(std::string_view text, std::string_view source, Position at);

// Whether `text` without quotes is read as that text.
[[nodiscard]] bool is_plain_yaml_text(std::string_view text);

}  // namespace spiffe::config
