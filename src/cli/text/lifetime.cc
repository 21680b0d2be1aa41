#include "cli/text/lifetime.hh"

#include <algorithm>
#include <chrono>

#include "base/text.hh"
#include "cli/text/cat.hh"

namespace spiffe::cli {

namespace {

using std::chrono::seconds;

std::string between(WallTime from, WallTime to) {
  // Rounds up to avoid "999ms left", and limits the result, since several hundred years in nanoseconds
  // overflow.
  constexpr seconds kMost = std::chrono::hours(24 * 365 * 200);
  return human(
      std::clamp(std::chrono::ceil<seconds>(to) - std::chrono::ceil<seconds>(from), seconds(1), kMost));
}

}  // namespace

std::string time_left(WallTime from, WallTime until, WallTime now) {
  if (now < from) return "not valid for another " + between(now, from);
  if (now < until) return between(now, until) + " left";
  return cat({"expired ", between(until, now), " ago"});
}

std::string lifetime_text(WallTime from, WallTime until, WallTime now) {
  return cat({rfc3339(from), " to ", rfc3339(until), ", ", time_left(from, until, now)});
}

long long seconds_left(WallTime until, WallTime now) {
  return (std::chrono::floor<seconds>(until) - std::chrono::floor<seconds>(now)).count();
}

}  // namespace spiffe::cli
