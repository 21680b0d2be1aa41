#include "identity/numeric_date.hh"

#include <cmath>
#include <string>

#include <nlohmann/json.hpp>

namespace spiffe::identity {

namespace {

constexpr double kFirst = -62135596800.0;  // 0001-01-01T00:00:00Z
constexpr double kEnd = 253402300800.0;    // 10000-01-01T00:00:00Z
constexpr double kLastHeld = 9.2e9;        // in the year 2261; 64 bits of nanoseconds end a year later

WallTime wall_time(double seconds) {
  if (seconds <= 0) return {};
  if (seconds > kLastHeld) return WallTime::max();
  const double whole = std::floor(seconds);
  const auto fraction = static_cast<long>((seconds - whole) * 1e9);
  return WallTime(std::chrono::seconds(static_cast<long>(whole)) + std::chrono::nanoseconds(fraction));
}

}  // namespace

Result<std::optional<WallTime>> numeric_date(const nlohmann::json& claims, const char* name) {
  const auto refuse = [name](const char* why) {
    return fail(ErrorKind::verification, "the token's " + std::string(name) + why);
  };
  const auto found = claims.find(name);
  if (found == claims.end()) return std::nullopt;
  if (!found->is_number()) return refuse(" is not a number");
  const double seconds = found->get<double>();
  // Written so that NaN fails as well.
  if (!(seconds >= kFirst && seconds < kEnd)) return refuse(" is not a date in the years 1 to 9999");
  return wall_time(seconds);
}

}  // namespace spiffe::identity
