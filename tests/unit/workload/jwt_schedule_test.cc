#include "workload/jwt_schedule.hh"

#include <set>

#include "support/catch.hh"

using namespace std::chrono_literals;
using spiffe::BootTime;
using spiffe::workload::FailureKind;
using spiffe::workload::JwtSchedule;
using Entries = std::vector<std::size_t>;

namespace {

BootTime at(std::chrono::nanoseconds t) {
  return BootTime(1000s + t);
}

// A schedule of one entry, whose token waits for its verdict.
JwtSchedule judged() {
  JwtSchedule schedule(1);
  CHECK(schedule.take_due(at(0s)) == Entries{0});
  schedule.answered(0);
  return schedule;
}

auto none = [] { return 0.0; };

}  // namespace

TEST_CASE("all JWT-SVIDs are requested at once, sixteen at a time") {
  JwtSchedule schedule(20);
  CHECK(schedule.take_due(at(0s)).size() == 16);
  CHECK_FALSE(schedule.next());
  CHECK(schedule.take_due(at(0s)).empty());
  schedule.answered(3);
  CHECK(schedule.take_due(at(0s)) == Entries{16});
  (void)schedule.failed(5, FailureKind::transient, true, at(0s), 0.0);
  CHECK(schedule.next() <= at(0s));
  CHECK(schedule.take_due(at(0s)) == Entries{17});
}

TEST_CASE("the token that is due longest is requested first") {
  JwtSchedule schedule(18);
  REQUIRE(schedule.take_due(at(0s)).size() == 16);
  schedule.answered(0);
  schedule.answered(1);
  schedule.accepted(1, at(0s), 4s);  // due at 2 s
  schedule.accepted(0, at(0s), 6s);  // due at 3 s
  CHECK(schedule.take_due(at(1s)) == Entries{16, 17});
  schedule.answered(2);
  CHECK(schedule.take_due(at(10s)) == Entries{1});
  schedule.answered(4);
  CHECK(schedule.take_due(at(10s)) == Entries{0});
}

TEST_CASE("a call that does not end does not delay other JWT-SVIDs") {
  JwtSchedule schedule(2);
  REQUIRE(schedule.take_due(at(0s)) == Entries{0, 1});
  for (int i = 0; i < 100; ++i) {
    schedule.answered(1);
    schedule.accepted(1, at(i * 1s), 2s);
    CHECK(schedule.next() == at(i * 1s + 1s));
    CHECK(schedule.take_due(at(i * 1s + 1s)) == Entries{1});
  }
}

TEST_CASE("a JWT-SVID is requested again after half of its remaining life, and not before 1 s") {
  const std::pair<std::chrono::nanoseconds, std::chrono::nanoseconds> waits[] = {
      {300s, 150s}, {3s, 1500ms}, {2s, 1s}, {1s, 1s}, {1ms, 1s}, {0s, 1s}, {-5s, 1s}};
  for (const auto& [remaining, wait] : waits) {
    auto schedule = judged();
    CHECK_FALSE(schedule.next());
    schedule.accepted(0, at(7s), remaining);
    CHECK(schedule.next() == at(7s + wait));
    CHECK(schedule.take_due(at(7s + wait - 1ns)).empty());
    CHECK(schedule.take_due(at(7s + wait)) == Entries{0});
  }
}

TEST_CASE("a JWT-SVID with the longest possible lifetime does not overflow the schedule") {
  auto schedule = judged();
  schedule.accepted(0, at(0s), std::chrono::nanoseconds::max());
  CHECK(*schedule.next() > at(24h * 365 * 100));
}

TEST_CASE("a failed call is repeated after 1, 2, 4 … 60 s, and so is a refused token") {
  const std::chrono::seconds waits[] = {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s};
  for (const bool refused : {false, true}) {
    JwtSchedule schedule(1);
    for (const auto wait : waits) {
      REQUIRE(schedule.take_due(at(1h)) == Entries{0});
      if (refused) schedule.answered(0);
      const auto step = refused ? schedule.refused(0, at(0s), 0.0)
                                : schedule.failed(0, FailureKind::no_identity, true, at(0s), 0.0);
      CHECK(step.wait == wait);
      CHECK_FALSE(step.fatal);
      CHECK_FALSE(step.probe);
      CHECK(schedule.next() == at(wait));
    }
  }
}

TEST_CASE("a valid token resets the back-off, an answer alone does not") {
  JwtSchedule schedule(1);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(schedule.take_due(at(1h)) == Entries{0});
    (void)schedule.failed(0, FailureKind::transient, true, at(0s), 0.0);
  }
  REQUIRE(schedule.take_due(at(1h)) == Entries{0});
  schedule.answered(0);
  CHECK(schedule.refused(0, at(0s), 0.0).wait == 8s);
  REQUIRE(schedule.take_due(at(1h)) == Entries{0});
  schedule.answered(0);
  schedule.accepted(0, at(0s), 10s);
  REQUIRE(schedule.take_due(at(1h)) == Entries{0});
  CHECK(schedule.failed(0, FailureKind::transient, true, at(0s), 0.0).wait == 1s);
}

TEST_CASE("jitter makes the wait for a JWT-SVID at most a fifth longer") {
  JwtSchedule schedule(1);
  for (int i = 0; i < 9; ++i) {
    REQUIRE(schedule.take_due(at(1h)) == Entries{0});
    const auto wait = schedule.failed(0, FailureKind::transient, true, at(0s), 0.999).wait;
    const auto base = std::chrono::seconds(std::min(1 << i, 60));
    CHECK(wait > base);
    CHECK(wait <= base * 1.2);
  }
}

TEST_CASE("one invalid JWT-SVID does not slow down the others") {
  JwtSchedule schedule(2);
  REQUIRE(schedule.take_due(at(0s)) == Entries{0, 1});
  for (int i = 0; i < 5; ++i) {
    (void)schedule.failed(0, FailureKind::transient, true, at(0s), 0.0);
    REQUIRE(schedule.take_due(at(30s)) == Entries{0});
  }
  CHECK(schedule.failed(1, FailureKind::transient, true, at(0s), 0.0).wait == 1s);
}

TEST_CASE("InvalidArgument and Unimplemented are fatal before the first answer for any token") {
  for (const auto kind : {FailureKind::invalid_argument, FailureKind::unimplemented}) {
    JwtSchedule fresh(2);
    REQUIRE(fresh.take_due(at(0s)) == Entries{0, 1});
    const auto first = fresh.failed(0, kind, true, at(0s), 0.0);
    CHECK(first.fatal);
    CHECK(first.wait == 30s);
    fresh.answered(1);
    CHECK(fresh.next() == at(30s));
    REQUIRE(fresh.take_due(at(30s)) == Entries{0});
    CHECK_FALSE(fresh.failed(0, kind, true, at(30s), 0.0).fatal);
    CHECK(fresh.next() == at(60s));
  }
}

TEST_CASE("while the agent's socket is missing, no token is requested, and the socket is probed") {
  JwtSchedule schedule(3);
  REQUIRE(schedule.take_due(at(0s)) == Entries{0, 1, 2});
  schedule.answered(2);
  schedule.accepted(2, at(0s), 20s);
  CHECK_FALSE(schedule.absent());
  const auto step = schedule.failed(0, FailureKind::unreachable, true, at(0s), 0.0);
  CHECK(step.probe);
  CHECK(step.wait == 1s);
  CHECK(schedule.absent());
  CHECK_FALSE(schedule.next());
  CHECK(schedule.take_due(at(1h)).empty());
  CHECK(schedule.failed(1, FailureKind::unreachable, true, at(0s), 0.0).probe);
  CHECK(schedule.retry().next_probe(at(59s).time_since_epoch()) == 1s);
  CHECK(schedule.retry().next_probe(at(60s).time_since_epoch()) == 5s);
  schedule.agent_back(at(5s), none);
  CHECK_FALSE(schedule.absent());
  CHECK(schedule.take_due(at(5s)) == Entries{0, 1});
  CHECK(schedule.next() == at(10s));
}

TEST_CASE("the agent's return ends every wait after a failure, spread over half a second") {
  JwtSchedule schedule(16);
  REQUIRE(schedule.take_due(at(0s)).size() == 16);
  for (std::size_t i = 0; i < 15; ++i) {
    (void)schedule.failed(i, i % 2 == 0 ? FailureKind::no_identity : FailureKind::unreachable, true, at(0s),
                          0.0);
  }
  schedule.answered(15);
  schedule.accepted(15, at(0s), 20s);  // late when the agent returns
  double random = 0;
  schedule.agent_back(at(70s), [&random] { return random += 0.06; });
  std::set<std::int64_t> moments;
  std::size_t asked = 0;
  while (const auto next = schedule.next()) {
    CHECK(*next > at(70s));
    CHECK(*next < at(70s + 500ms));
    moments.insert(next->time_since_epoch().count());
    asked += schedule.take_due(*next).size();
  }
  CHECK(asked == 16);
  CHECK(moments.size() == 16);
}

TEST_CASE("the agent's return changes nothing for valid tokens and calls in flight") {
  JwtSchedule schedule(2);
  REQUIRE(schedule.take_due(at(0s)) == Entries{0, 1});
  schedule.answered(0);
  schedule.accepted(0, at(0s), 100s);
  schedule.agent_back(at(1s), none);
  CHECK(schedule.next() == at(50s));
  CHECK(schedule.take_due(at(49s)).empty());
}

TEST_CASE("an unreachable tcp address is not probed: its JWT-SVIDs back off") {
  JwtSchedule schedule(1);
  REQUIRE(schedule.take_due(at(0s)) == Entries{0});
  const auto step = schedule.failed(0, FailureKind::unreachable, false, at(0s), 0.0);
  CHECK_FALSE(step.probe);
  CHECK_FALSE(schedule.absent());
  CHECK(schedule.next() == at(1s));
}

TEST_CASE("a verdict for a token that does not wait for one changes nothing") {
  JwtSchedule schedule(1);
  REQUIRE(schedule.take_due(at(0s)) == Entries{0});
  schedule.accepted(0, at(0s), 10s);
  CHECK(schedule.refused(0, at(0s), 0.0).wait == 0s);
  CHECK_FALSE(schedule.next());
  schedule.answered(0);
  schedule.accepted(0, at(0s), 10s);
  schedule.accepted(0, at(0s), 100s);
  CHECK(schedule.next() == at(5s));
}
