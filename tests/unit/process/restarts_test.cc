#include "process/restarts.hh"

#include "support/catch.hh"

namespace spiffe::process {
namespace {

using std::chrono::seconds;

constexpr double kMiddle = 0.5;  // no jitter

TEST_CASE("a failed child waits longer each time, up to a minute") {
  Restarts restarts;
  for (const int expected : {1, 2, 4, 8, 16, 32, 60, 60}) {
    CHECK(restarts.after(Restart::on_failure, true, seconds(11), kMiddle) == seconds(expected));
  }
  CHECK(restarts.after(Restart::on_failure, true, seconds(60), kMiddle) == seconds(1));
  CHECK_FALSE(restarts.gave_up());
}

TEST_CASE("back-offs vary by a fifth") {
  CHECK(Restarts().after(Restart::always, true, seconds(0), 0.0) == std::chrono::milliseconds(800));
  const auto longest = Restarts().after(Restart::always, true, seconds(0), 0.999'999);
  REQUIRE(longest);
  CHECK(*longest > std::chrono::milliseconds(1199));
  CHECK(*longest < std::chrono::milliseconds(1200));
}

TEST_CASE("the policy decides which ends lead to a restart") {
  CHECK_FALSE(Restarts().after(Restart::never, true, seconds(0), kMiddle));
  CHECK_FALSE(Restarts().after(Restart::never, false, seconds(0), kMiddle));
  CHECK(Restarts().after(Restart::on_failure, true, seconds(0), kMiddle));
  CHECK_FALSE(Restarts().after(Restart::on_failure, false, seconds(0), kMiddle));
  CHECK(Restarts().after(Restart::always, true, seconds(0), kMiddle));
  CHECK(Restarts().after(Restart::always, false, seconds(0), kMiddle));
}

TEST_CASE("a shortage has waits of its own and does not count as a failure") {
  Restarts restarts;
  const auto quick = [&] { return restarts.after(Restart::always, true, seconds(0), kMiddle); };
  CHECK(quick() == seconds(1));
  for (const int expected : {1, 2, 4, 8, 16, 32, 60, 60}) {
    CHECK(restarts.after_shortage(kMiddle) == seconds(expected));
  }
  CHECK(quick() == seconds(2));
  CHECK(restarts.after_shortage(kMiddle) == seconds(1));
  CHECK(quick() == seconds(4));
  CHECK(quick() == seconds(8));
  CHECK_FALSE(quick());
}

TEST_CASE("five quick failures in a row end the restarts") {
  Restarts restarts;
  const auto quick = [&](bool failed = true) {
    return restarts.after(Restart::always, failed, seconds(9), kMiddle).has_value();
  };
  for (int i = 0; i < 4; ++i) CHECK(quick());
  SECTION("at once") {
    CHECK_FALSE(quick());
    CHECK(restarts.gave_up());
  }
  SECTION("but not without the limit") {
    CHECK(restarts.after(Restart::always, true, seconds(9), kMiddle, false) == seconds(16));
    CHECK(restarts.after(Restart::always, true, seconds(9), kMiddle, false) == seconds(32));
  }
  SECTION("but not for a policy without restarts") {
    CHECK_FALSE(restarts.after(Restart::never, true, seconds(9), kMiddle));
    CHECK_FALSE(restarts.gave_up());
  }
  SECTION("but not if one run lasted ten seconds") {
    CHECK(restarts.after(Restart::always, true, seconds(10), kMiddle));
    for (int i = 0; i < 4; ++i) CHECK(quick());
    CHECK_FALSE(quick());
  }
  SECTION("but not if one run succeeded") {
    CHECK(quick(false));
    for (int i = 0; i < 4; ++i) CHECK(quick());
    CHECK_FALSE(quick());
  }
}

}  // namespace
}  // namespace spiffe::process
