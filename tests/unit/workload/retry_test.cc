#include "workload/retry.hh"

#include "support/catch.hh"

using namespace std::chrono_literals;
using spiffe::workload::FailureKind;
using spiffe::workload::Retry;

TEST_CASE("back-off after an answer of a running agent grows by a second up to 30 s") {
  Retry retry;
  for (int i = 1; i <= 40; ++i) {
    const auto step = retry.lost(FailureKind::transient, true, 0ns, 0.0);
    CHECK(step.wait == std::chrono::seconds(std::min(i, 30)));
    CHECK_FALSE(step.probe);
    CHECK_FALSE(step.fatal);
  }
}

TEST_CASE("jitter makes a wait at most a fifth longer, never shorter") {
  Retry retry;
  for (int i = 1; i <= 40; ++i) {
    const auto wait = retry.lost(FailureKind::transient, true, 0ns, 0.999).wait;
    CHECK(wait >= std::chrono::seconds(std::min(i, 30)));
    CHECK(wait <= std::chrono::milliseconds(1200 * std::min(i, 30)));
  }
}

TEST_CASE("any accepted message resets the back-off") {
  Retry retry;
  for (int i = 0; i < 5; ++i) (void)retry.lost(FailureKind::transient, true, 0ns, 0.0);
  retry.good_message();
  CHECK(retry.lost(FailureKind::transient, true, 0ns, 0.0).wait == 1s);
}

TEST_CASE("a missing socket is probed every second, and every 5 s after a minute") {
  Retry retry;
  const auto step = retry.lost(FailureKind::unreachable, true, 100s, 0.5);
  CHECK(step.probe);
  CHECK(step.wait == 1s);
  CHECK(retry.next_probe(159s) == 1s);
  CHECK(retry.next_probe(160s) == 5s);
  CHECK(retry.answered(0.0) == 0ms);
  CHECK(retry.answered(0.999) < 500ms);
}

TEST_CASE("the minute without a socket counts from the first failure, not from each") {
  Retry retry;
  (void)retry.lost(FailureKind::unreachable, true, 10s, 0.0);
  CHECK(retry.lost(FailureKind::unreachable, true, 75s, 0.0).wait == 5s);
  retry.good_message();
  CHECK(retry.lost(FailureKind::unreachable, true, 80s, 0.0).wait == 1s);
}

TEST_CASE("a socket that disappears during a wait is probed every second") {
  Retry retry;
  CHECK_FALSE(retry.lost(FailureKind::no_identity, true, 100s, 0.0).probe);
  CHECK(retry.next_probe(101s) == 1s);
}

TEST_CASE("an unreachable tcp address is not probed: it backs off") {
  Retry retry;
  CHECK_FALSE(retry.lost(FailureKind::unreachable, false, 0ns, 0.0).probe);
  CHECK(retry.lost(FailureKind::unreachable, false, 0ns, 0.0).wait == 2s);
}

TEST_CASE("InvalidArgument and Unimplemented are fatal only before the first accepted message") {
  for (const auto kind : {FailureKind::invalid_argument, FailureKind::unimplemented}) {
    Retry fresh;
    CHECK(fresh.lost(kind, true, 0ns, 0.0).fatal);
    Retry served;
    served.good_message();
    const auto step = served.lost(kind, true, 0ns, 0.0);
    CHECK_FALSE(step.fatal);
    CHECK(step.wait == 30s);
  }
}

TEST_CASE("PermissionDenied is retried with back-off, before and after an accepted message") {
  Retry retry;
  CHECK_FALSE(retry.lost(FailureKind::no_identity, true, 0ns, 0.0).fatal);
  retry.good_message();
  CHECK_FALSE(retry.lost(FailureKind::no_identity, true, 0ns, 0.0).fatal);
}

TEST_CASE("no room for the first connection ends the start, but no stream that once worked") {
  Retry retry;
  CHECK(retry.lost(FailureKind::no_room, true, 0ns, 0.0).fatal);
  retry.good_message();
  const auto step = retry.lost(FailureKind::no_room, true, 0ns, 0.0);
  CHECK_FALSE(step.fatal);
  CHECK(step.wait == 1s);
}
