// JSON for -output json: members in the order in which they were added.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace spiffe::cli {

using Json = nlohmann::ordered_json;

// Indented, with a final newline, for people and jq. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_text(const Json& value);

// On one line, with a final newline: for a stream of values.
[[nodiscard]] std::string json_line(const Json& value);

// Add a member. Not inline, since the program has a hundred calls.
void put(Json& object, const char* name, std::string_view value);
void put(Json& object, const char* name, long long value);
void put_flag(Json& object, const char* name, bool value);
void put(Json& object, const char* name, const std::vector<std::string>& values);
Json& put_list(Json& object, const char* name);  // empty; owned by `object`
Json& put_object(Json& list);                    // a new item of the list; owned by `list`

}  // namespace spiffe::cli
