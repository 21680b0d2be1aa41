// Integers as Go's strconv.ParseInt(text, 0, 64) reads them, which is how the Go helper reads every number:
// sign, 0x, 0o, 0b and leading 0 (octal), "_" between digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace spiffe::config {

// Empty if `text` is not an integer or does not fit.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);

}  // namespace spiffe::config
