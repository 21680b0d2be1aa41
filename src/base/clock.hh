// Clocks. Wall time is for certificates and logs. Intervals are measured on CLOCK_BOOTTIME, which also counts
// while the machine is suspended.
#pragma once

#include <chrono>
#include <string>

#include <time.h>

namespace spiffe {

using WallTime = std::chrono::system_clock::time_point;

struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
  static time_point now() {
    timespec ts{};
    ::clock_gettime(CLOCK_BOOTTIME, &ts);
    return time_point(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
  }
};
using BootTime = BootClock::time_point;

inline WallTime wall_now() {
  return std::chrono::system_clock::now();
}

// RFC 3339, UTC, whole seconds: "2026-01-02T03:04:05Z".
[[nodiscard]] std::string rfc3339(WallTime t);

// A duration in at most two units: "1h3m", "12s", "340ms". Negative durations get a minus sign.
[[nodiscard]] std::string human(std::chrono::nanoseconds d);

}  // namespace spiffe
