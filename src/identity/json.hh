// JSON from somebody we do not trust yet: RFC 8259, read with nlohmann-json within limits. Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.hh"

namespace spiffe::identity {

inline constexpr std::size_t kMaxJsonDepth = 32;

// The one value that `text` holds, with nothing but white space around it. An error (kind verification) for
// everything that is not JSON, including invalid UTF-8, a NUL and a byte order mark, and for what two readers
// may understand differently or what is costly: a member given twice in an object, a number beyond a double's
// range, more than `max_size` bytes, more than kMaxJsonDepth levels. The error never repeats the text, which
// may be part of a token.
Result<nlohmann::json> parse_json(std::string_view text, std::size_t max_size);

// The member of that name where it is a string, else null. `object` must be an object. Owned by `object`.
const std::string* string_member(const nlohmann::json& object, const char* name);

}  // namespace spiffe::identity
