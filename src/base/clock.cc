#include "base/clock.hh"

#include <fmt/format.h>

namespace spiffe {

std::string rfc3339(WallTime t) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(t);
  // Later times are clamped to the maximum, too. RFC 5280, section 4.1.2.5, uses this date for "no
  // expiration".
  if (seconds == std::chrono::floor<std::chrono::seconds>(WallTime::max())) return "9999-12-31T23:59:59Z";
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(seconds - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

std::string human(std::chrono::nanoseconds d) {
  if (d < std::chrono::nanoseconds::zero()) return "-" + human(-d);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  if (ms < 1000) return fmt::format("{}ms", ms);
  const auto s = ms / 1000;
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return s % 60 == 0 ? fmt::format("{}m", s / 60) : fmt::format("{}m{}s", s / 60, s % 60);
  if (s < 86400) {
    return s / 60 % 60 == 0 ? fmt::format("{}h", s / 3600) : fmt::format("{}h{}m", s / 3600, s / 60 % 60);
  }
  return s / 3600 % 24 == 0 ? fmt::format("{}d", s / 86400) : fmt::format("{}d{}h", s / 86400, s / 3600 % 24);
}

}  // namespace spiffe
