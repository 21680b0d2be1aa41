#include "base/clock.hh"

#include "support/catch.hh"

using namespace std::chrono_literals;
using namespace spiffe;

TEST_CASE("times are RFC 3339, UTC, whole seconds") {
  CHECK(rfc3339(WallTime()) == "1970-01-01T00:00:00Z");
  CHECK(rfc3339(WallTime(1767323045s)) == "2026-01-02T03:04:05Z");
  CHECK(rfc3339(WallTime(1767323045s + 999ms)) == "2026-01-02T03:04:05Z");
  CHECK(rfc3339(WallTime(-1s)) == "1969-12-31T23:59:59Z");
  CHECK(rfc3339(WallTime(-1ms)) == "1969-12-31T23:59:59Z");
  CHECK(rfc3339(WallTime(std::chrono::sys_days(std::chrono::year(2024) / 2 / 29))) == "2024-02-29T00:00:00Z");
  CHECK(rfc3339(WallTime::max()) == "9999-12-31T23:59:59Z");
  CHECK(rfc3339(WallTime::max() - 1s).starts_with("2262-04-11T"));
}

TEST_CASE("durations have at most two units") {
  CHECK(human(0ns) == "0ms");
  CHECK(human(999us) == "0ms");
  CHECK(human(340ms) == "340ms");
  CHECK(human(1s) == "1s");
  CHECK(human(59999ms) == "59s");
  CHECK(human(1min) == "1m");
  CHECK(human(61s) == "1m1s");
  CHECK(human(1h) == "1h");
  CHECK(human(1h + 59s) == "1h");
  CHECK(human(1h + 3min) == "1h3m");
  CHECK(human(24h) == "1d");
  CHECK(human(49h + 59min) == "2d1h");
  CHECK(human(-20s) == "-20s");
}

TEST_CASE("the boot clock does not go back") {
  const auto a = BootClock::now();
  const auto b = BootClock::now();
  CHECK(a <= b);
  CHECK(a.time_since_epoch() > 0ns);
}
