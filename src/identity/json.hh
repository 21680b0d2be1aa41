// Reads JSON from an untrusted source: RFC 8259, by nlohmann-json, within limits. Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.hh"

namespace spiffe::identity {

inline constexpr std::size_t kMaxJsonDepth = 32;

// The one value in `text`, with only white space around it. Errors are of kind verification. They are
// returned for everything that is not JSON, including invalid UTF-8, a NUL and a byte order mark; and for
// input that two parsers may understand differently or that is costly: a member that occurs twice in an
// object, a number beyond a double's range, more than `max_size` bytes, more than kMaxJsonDepth levels. The
// error never repeats the text, which may be part of a token.
Result<nlohmann::json> parse_json(std::string_view text, std::size_t max_size);

// The member `name` if it is a string, else null. `object` must be an object, and owns the result.
const std::string* string_member(const nlohmann::json& object, const char* name);

}  // namespace spiffe::identity
