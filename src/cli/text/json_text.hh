// JSON for -output json: members in the order in which they were added.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace spiffe::cli {

using Json = nlohmann::ordered_json;

// For a person and for jq: indented, with a final newline. What is no UTF-8 becomes U+FFFD.
[[nodiscard]] std::string json_text(const Json& value);

// On one line, with its newline: for what comes bit by bit.
[[nodiscard]] std::string json_line(const Json& value);

// Add a member, out of line: a hundred of them are in the program.
void put(Json& object, const char* name, std::string_view value);
void put(Json& object, const char* name, long long value);
void put_flag(Json& object, const char* name, bool value);
void put(Json& object, const char* name, const std::vector<std::string>& values);
Json& put_list(Json& object, const char* name);  // empty; owned by `object`
Json& put_object(Json& list);                    // one more in a list; owned by `list`

}  // namespace spiffe::cli
