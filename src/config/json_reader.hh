// Reads JSON with positions: RFC 8259, and commas before a closing bracket, which the Go helper accepts.
#pragma once

#include <string>
#include <string_view>

#include "config/document.hh"

namespace spiffe::config {

// A document: its root must be an object.
[[nodiscard]] Result<Document> parse_json(std::string_view text, std::string source);

// Any single value, for variables and flags.
[[nodiscard]] Result<Value> parse_json_value(std::string_view text, std::string_view source);

}  // namespace spiffe::config
