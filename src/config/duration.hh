// Durations in the format of Go's time.ParseDuration and Duration.String: "1m30s", "1.5h", "-20ms", "0".
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hh"

namespace spiffe::config {

// Units ns, us (µs), ms, s, m, h. The error (kind config) describes the fault without a place: `is not a
// duration`, `has no unit`, `has the unknown unit "d"`.
[[nodiscard]] Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

// "1m30s", "1.5ms", "0s".
[[nodiscard]] std::string format_duration(std::chrono::nanoseconds duration);

}  // namespace spiffe::config
