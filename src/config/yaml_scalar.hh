// What a word without quotes means in YAML.
#pragma once

#include <string_view>

#include "config/document.hh"

namespace spiffe::config {

// Null, boolean, integer, real or text, as YAML 1.2's core schema says; integers also as YAML 1.1 and Go
// write them (0444, 0b11, 1_000). An error for what the two versions read differently. `source` is for its
// place.
[[nodiscard]] Result<Value> plain_yaml_value(std::string_view text, std::string_view source, Position at);

// Whether `text` may be written without quotes, and is read as that text.
[[nodiscard]] bool is_plain_yaml_text(std::string_view text);

}  // namespace spiffe::config
