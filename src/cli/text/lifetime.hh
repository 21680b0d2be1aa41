// Validity periods as text and numbers. Pure.
#pragma once

#include <string>

#include "base/clock.hh"

namespace spiffe::cli {

// "59m40s left", "expired 3m ago", "not valid for another 20s". In whole seconds, at least one.
[[nodiscard]] std::string time_left(WallTime from, WallTime until, WallTime now);
// "2026-01-02T03:04:05Z to 2026-01-02T04:04:05Z, 59m40s left".
[[nodiscard]] std::string lifetime_text(WallTime from, WallTime until, WallTime now);
// Whole seconds from `now`, negative if that is past.
[[nodiscard]] long long seconds_left(WallTime until, WallTime now);

}  // namespace spiffe::cli
