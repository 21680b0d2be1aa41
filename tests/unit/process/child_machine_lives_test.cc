#include <array>
#include <random>

#include <signal.h>

#include "policies.hh"
#include "process/child_machine.hh"
#include "support/catch.hh"

namespace spiffe::process {
namespace {

using std::chrono::seconds;

// Performs the machine's actions and requires that they follow the rules.
class World {
 public:
  World(std::uint64_t seed, ChildMachine::Policy policy)
      : random_(seed), policy_(policy), machine_(policy), was_none_(policy.on_rotate == OnRotate::none) {}

  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  void send(Event event) {
    told_to_end_ |= std::holds_alternative<Terminate>(event);
    std::optional<Event> next = std::move(event);
    while (next) {
      const Actions actions = machine_.handle(*std::exchange(next, std::nullopt), now_);
      for (std::size_t i = 0; i < actions.size(); ++i) {
        next = std::visit([this](const auto& a) { return act(a); }, actions[i]);
        REQUIRE((!next || i + 1 == actions.size()));
      }
    }
    REQUIRE((ended_ == (machine_.state() == State::ended)));
  }

  void publish() { send(Published{++published_}); }
  void exit() {
    if (!std::exchange(alive_, false)) return;
    rest_ = pick(4) == 0;
    send(Exited{.status = kExit3.status, .remains = rest_});
  }
  void clear() {
    if (rest_ && std::exchange(awaited_, false)) {
      rest_ = false;
      send(Cleared{});
    }
  }
  void fire() {
    if (std::exchange(armed_, false)) send(TimerFired{});
  }
  void random_event() {
    now_ += std::chrono::milliseconds(pick(4000));
    switch (pick(8)) {
      case 0:
      case 1:
      case 2:
        return publish();
      case 3:
      case 4:
        return exit();
      case 5:
        return fire();
      case 6:
        return clear();
      default:
        return other_event();
    }
  }
  void other_event() {
    switch (pick(12)) {
      case 0:
      case 1:
        return send(Terminate{SIGTERM});
      case 2:
        return send(Replaced{});
      case 3:
        // Like a reload, which does not change the mode.
        policy_.on_rotate = static_cast<OnRotate>(pick(3));
        was_none_ |= policy_.on_rotate == OnRotate::none;
        policy_.deadly = pick(2) == 0;
        policy_.withhold = pick(2) == 0;
        return machine_.set_policy(policy_);
      default:
        return;
    }
  }
  // Lets time pass until nothing is in progress: timers fire, and processes that are being stopped end.
  void settle() {
    for (int i = 0; i < 500 && busy(); ++i) {
      now_ += seconds(1);
      if (armed_) {
        fire();
      } else if (awaited_) {
        clear();
      } else {
        exit();
      }
    }
    REQUIRE_FALSE(busy());
  }

  const ChildMachine& machine() const { return machine_; }
  // Whether every rotation reaches the child: the policy never was "none".
  bool tells() const { return policy_.on_rotate != OnRotate::none && !was_none_; }
  bool alive() const { return alive_; }
  Generation published() const { return published_; }
  Generation child_knows() const { return child_knows_; }

 private:
  bool busy() const {
    const State state = machine_.state();
    return armed_ || state == State::backoff || state == State::stopping || state == State::killing ||
           state == State::clearing;
  }

  std::optional<Event> act(const Start&) {
    REQUIRE_FALSE(alive_);
    REQUIRE_FALSE(rest_);
    REQUIRE_FALSE(ended_);
    REQUIRE_FALSE(told_to_end_);
    child_knows_ = published_;
    if (pick(8) == 0) return StartFailed{};
    if (pick(8) == 0) return StartFailed{.code = 126, .shortage = true};
    alive_ = true;
    return std::nullopt;
  }
  std::optional<Event> act(const CheckReady&) {
    REQUIRE(alive_);
    return Readiness{static_cast<SignalUse>(pick(3))};
  }
  std::optional<Event> act(const Signal&) {
    REQUIRE(alive_);
    REQUIRE((policy_.on_rotate == OnRotate::signal));
    REQUIRE(machine_.state() == State::run);
    child_knows_ = published_;
    return std::nullopt;
  }
  std::optional<Event> act(const SendStop&) {
    REQUIRE(alive_);
    return std::nullopt;
  }
  std::optional<Event> act(const Kill&) {
    REQUIRE(alive_);
    if (pick(16) == 0) return KillRefused{};
    return std::nullopt;
  }
  std::optional<Event> act(const EndRest& action) {
    REQUIRE_FALSE(alive_);
    REQUIRE(rest_);
    killed_ = action.force == Force::kill;
    rest_ = pick(3) != 0;
    awaited_ = rest_;
    if (!rest_) return Cleared{};
    return std::nullopt;
  }
  std::optional<Event> act(const ArmTimer&) {
    const State state = machine_.state();
    REQUIRE(alive_ == (state != State::wait && state != State::backoff && state != State::clearing));
    armed_ = true;
    return std::nullopt;
  }
  std::optional<Event> act(const CancelTimer&) {
    REQUIRE(armed_);
    armed_ = false;
    return std::nullopt;
  }
  std::optional<Event> act(const ReportExit&) {
    REQUIRE_FALSE(alive_);
    return std::nullopt;
  }
  std::optional<Event> act(const ReportFailedStart&) {
    REQUIRE_FALSE(alive_);
    return std::nullopt;
  }
  std::optional<Event> act(const ReportWithheld&) {
    REQUIRE(alive_);
    return std::nullopt;
  }
  std::optional<Event> act(const ReportTimeout&) {
    REQUIRE(published_ == 0);
    timed_out_ = true;
    return std::nullopt;
  }
  std::optional<Event> act(const End& action) {
    REQUIRE_FALSE(ended_);
    REQUIRE_FALSE(armed_);
    REQUIRE((action.left ? policy_.leave_at_end : true));
    REQUIRE((!rest_ || action.left || killed_));
    // In job mode the helper continues, whatever happens to the job.
    if (!policy_.wrap) REQUIRE((told_to_end_ || timed_out_));
    if (!policy_.wrap) REQUIRE((action.exit_code == 0 || published_ == 0));
    ended_ = true;
    return std::nullopt;
  }

  std::mt19937_64 random_;
  ChildMachine::Policy policy_;
  ChildMachine machine_;
  bool was_none_;
  BootTime now_ = kStart;
  bool alive_ = false;
  bool rest_ = false;     // other members of the last child's group are alive
  bool awaited_ = false;  // their end is awaited
  bool killed_ = false;   // they were killed
  bool armed_ = false;
  bool ended_ = false;
  bool told_to_end_ = false;
  bool timed_out_ = false;
  Generation published_ = 0;
  Generation child_knows_ = 0;
};

TEST_CASE("child machine follows its rules in ten thousand random runs") {
  constexpr std::array kPolicies = {kNone,        kSignal,        kGuarded,   kWithheld,  kRestart,
                                    kLeave,       kLeaveGuarded,  kTimed,     kOnFailure, kWrap,
                                    kWrapGuarded, kWrapOnFailure, kWrapAlways};
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    INFO("seed " << seed);
    const auto& policy = kPolicies.at(seed % kPolicies.size());
    World world(seed, policy);
    world.send(Begin{});
    for (int i = world.pick(30); i > 0; --i) world.random_event();
    world.settle();
    if (world.machine().state() != State::ended && world.tells()) {
      // The last rotation was delivered, or replaced by a start.
      CHECK(world.child_knows() == world.published());
    }
    world.send(Terminate{SIGTERM});
    if (world.pick(2) == 0) world.send(Terminate{SIGTERM});
    world.settle();
    CHECK(world.machine().state() == State::ended);
  }
}

TEST_CASE("how a child learns about new files") {
  const auto after = [](const ChildMachine::Policy& policy, const std::vector<Event>& events, BootTime now) {
    ChildMachine machine(policy);
    for (const Event& event : events) static_cast<void>(machine.handle(event, now));
    return machine.learning();
  };
  const Published first{1};
  const Published second{2};
  const Readiness deaf{SignalUse::none};
  const Terminate end{SIGTERM};
  CHECK(after(kSignal, {}, kStart) == Learning::next_start);
  CHECK(after(kSignal, {first}, kStart) == Learning::by_start);
  CHECK(after(kSignal, {first, StartFailed{127}}, kStart) == Learning::by_start);
  CHECK(after(kSignal, {first, second}, kStart) == Learning::running);
  CHECK(after(kNone, {first, second}, kStart) == Learning::running);
  CHECK(after(kSignal, {first, kExit3, second}, kStart) == Learning::by_start);
  CHECK(after(kRestart, {first, second}, kStart) == Learning::next_start);
  CHECK(after(kRestart, {first, second, kExit3}, kStart) == Learning::by_start);
  CHECK(after(kWrapAlways, {first, kExit3}, kStart) == Learning::next_start);
  CHECK(after(kSignal, {first, end, kExit3}, kStart) == Learning::by_start);

  ChildMachine machine(kWithheld);
  static_cast<void>(machine.handle(first, kStart));
  static_cast<void>(machine.handle(second, kStart));
  static_cast<void>(machine.handle(deaf, kStart));
  CHECK(machine.learning() == Learning::pending);
  static_cast<void>(machine.handle(deaf, kStart + kGuardGrace));
  CHECK(machine.learning() == Learning::running);  // the signal is withheld
  static_cast<void>(machine.handle(Readiness{SignalUse::handled}, kStart + kGuardGrace));
  CHECK(machine.learning() == Learning::running);
}

}  // namespace
}  // namespace spiffe::process
