// JSON for -output json: members in the order in which they were added.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace spiffe::cli {

using Json = nlohmann::ordered_json;

// For a person and for jq: indented, with a final newline. What is no UTF-8 becomes U+FFFD.
[[nodiscard]] std::string json_text(const Json& value);

// On one line, with its newline: for what comes bit by bit.
[[nodiscard]] std::string json_line(const Json& value);

}  // namespace spiffe::cli
