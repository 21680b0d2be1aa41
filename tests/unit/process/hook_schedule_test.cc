#include "process/hook_schedule.hh"

#include <array>
#include <random>
#include <string>
#include <utility>

#include "support/catch.hh"

namespace spiffe::process {
namespace {

using std::chrono::seconds;
using Schedule = HookSchedule;

constexpr Changes kX509{.x509 = true};
constexpr Changes kJwt{.jwt = true};
constexpr Changes kBundle{.bundle = true};

std::string text(const Schedule::Action& action) {
  struct {
    std::string operator()(const Schedule::Start& a) { return "Start(" + a.changes.words() + ")"; }
    std::string operator()(const Schedule::SendTerm&) { return "SendTerm"; }
    std::string operator()(const Schedule::Kill&) { return "Kill"; }
    std::string operator()(const Schedule::ArmTimer& a) {
      return "ArmTimer(" + std::to_string(std::chrono::floor<seconds>(a.delay).count()) + ")";
    }
    std::string operator()(const Schedule::CancelTimer&) { return "CancelTimer"; }
    std::string operator()(const Schedule::Report& a) {
      if (a.succeeded) return a.overtaken ? "Report(good, overtaken)" : "Report(good)";
      if (!a.retry_in) return a.overtaken ? "Report(bad, overtaken)" : "Report(bad)";
      return "Report(bad, " + std::to_string(std::chrono::floor<seconds>(*a.retry_in).count()) + ")";
    }
    std::string operator()(const Schedule::End& a) { return "End(" + std::to_string(a.code) + ")"; }
  } name;
  return std::visit(name, action);
}

std::string text(const Schedule& machine) {
  constexpr std::array kStates = {"idle", "run", "backoff", "stopping", "killing", "ended"};
  const Schedule::State state = machine.state();
  std::string out = kStates.at(static_cast<std::size_t>(state));
  if (state != Schedule::State::stopping && state != Schedule::State::killing) return out;
  return out + (machine.target() == Schedule::Target::next ? "(next)" : "(end)");
}

std::string step(Schedule& machine, const Schedule::Event& event) {
  std::string out;
  for (const auto& action : machine.handle(event)) out += text(action) + ' ';
  return out + "-> " + text(machine);
}

const Schedule::Published kNew{kX509};
const Schedule::Published kNewer{kJwt};
const Schedule::Exited kGood{0};
const Schedule::Exited kBad{3};
constexpr Schedule::TimerFired kTimer;
constexpr Schedule::Stop kStop;

// A column of the table.
const std::array<std::pair<const char*, Schedule::Event>, 6> kHookEvents = {{
    {"published", Schedule::Published{kBundle}},
    {"exited 0", kGood},
    {"exited 3", kBad},
    {"start failed", Schedule::StartFailed{126}},
    {"timer", kTimer},
    {"stop", kStop},
}};

struct HookSituation {
  const char* name;
  Schedule::Policy policy;
  std::vector<Schedule::Event> before;
  std::array<std::string, kHookEvents.size()> expected;
};

const std::string kRetry = "CancelTimer Report(bad, 1) ArmTimer(1) -> backoff";
const std::string kAgain = "CancelTimer Report(bad, overtaken) ArmTimer(30) Start(x509,jwt) -> run";

const std::vector<HookSituation> kHookTable = {
    {"idle",
     {},
     {},
     {"ArmTimer(30) Start(bundle) -> run", "-> idle", "-> idle", "-> idle", "-> idle", "End(0) -> ended"}},
    {"idle again",
     {},
     {kNew, kGood},
     {"ArmTimer(30) Start(bundle) -> run", "-> idle", "-> idle", "-> idle", "-> idle", "End(0) -> ended"}},
    {"a run",
     {},
     {kNew},
     {"-> run", "CancelTimer Report(good) -> idle", kRetry, kRetry, "SendTerm ArmTimer(2) -> stopping(next)",
      "SendTerm ArmTimer(2) -> stopping(end)"}},
    {"a run, something newer",
     {},
     {kNew, kNewer},
     {"-> run", "CancelTimer Report(good, overtaken) ArmTimer(30) Start(jwt) -> run", kAgain, kAgain,
      "SendTerm ArmTimer(2) -> stopping(next)", "SendTerm ArmTimer(2) -> stopping(end)"}},
    {"a run that may take any time",
     {.timeout = seconds(0)},
     {kNew, kNewer},
     {"-> run", "CancelTimer Report(good, overtaken) Start(jwt) -> run",
      "CancelTimer Report(bad, overtaken) Start(x509,jwt) -> run",
      "CancelTimer Report(bad, overtaken) Start(x509,jwt) -> run", "SendTerm ArmTimer(2) -> stopping(next)",
      "SendTerm ArmTimer(2) -> stopping(end)"}},
    {"the only run",
     {.once = true},
     {kNew},
     {"-> run", "CancelTimer Report(good) End(0) -> ended", "CancelTimer Report(bad) End(3) -> ended",
      "CancelTimer Report(bad) End(126) -> ended", "SendTerm ArmTimer(2) -> stopping(next)",
      "SendTerm ArmTimer(2) -> stopping(end)"}},
    {"waiting to try again",
     {},
     {kNew, kBad},
     {"CancelTimer ArmTimer(30) Start(x509,bundle) -> run", "-> backoff", "-> backoff", "-> backoff",
      "ArmTimer(30) Start(x509) -> run", "CancelTimer End(0) -> ended"}},
    {"stopping one that takes too long",
     {},
     {kNew, kTimer},
     {"-> stopping(next)", kRetry, kRetry, "-> stopping(next)", "Kill -> killing(next)", "-> stopping(end)"}},
    {"stopping one that takes too long, something newer",
     {},
     {kNew, kTimer, kNewer},
     {"-> stopping(next)", kAgain, kAgain, "-> stopping(next)", "Kill -> killing(next)", "-> stopping(end)"}},
    {"stopping to end",
     {},
     {kNew, kNewer, kStop},
     {"-> stopping(end)", "CancelTimer Report(bad, overtaken) End(0) -> ended",
      "CancelTimer Report(bad, overtaken) End(0) -> ended", "-> stopping(end)",
      "Kill ArmTimer(1) -> killing(end)", "Kill ArmTimer(1) -> killing(end)"}},
    {"stopping the only run",
     {.once = true},
     {kNew, kTimer},
     {"-> stopping(next)", "CancelTimer Report(bad) End(1) -> ended",
      "CancelTimer Report(bad) End(3) -> ended", "-> stopping(next)", "Kill -> killing(next)",
      "-> stopping(end)"}},
    {"killing one that takes too long",
     {},
     {kNew, kTimer, kTimer},
     {"-> killing(next)", kRetry, kRetry, "-> killing(next)", "-> killing(next)",
      "ArmTimer(1) -> killing(end)"}},
    {"killing to end",
     {},
     {kNew, kStop, kTimer},
     {"-> killing(end)", "CancelTimer Report(bad) End(0) -> ended", "CancelTimer Report(bad) End(0) -> ended",
      "-> killing(end)", "End(0) -> ended", "-> killing(end)"}},
    {"ended",
     {},
     {kNew, kGood, kStop},
     {"-> ended", "-> ended", "-> ended", "-> ended", "-> ended", "-> ended"}},
};

TEST_CASE("a run that must end has the policy's term_grace") {
  Schedule machine({.term_grace = seconds(1)});
  static_cast<void>(machine.handle(kNew));
  CHECK(step(machine, kStop) == "SendTerm ArmTimer(1) -> stopping(end)");
}

TEST_CASE("hook schedule follows its table") {
  for (const HookSituation& situation : kHookTable) {
    for (std::size_t i = 0; i < kHookEvents.size(); ++i) {
      INFO(situation.name << ": " << kHookEvents.at(i).first);
      Schedule machine(situation.policy);
      for (const auto& event : situation.before) static_cast<void>(machine.handle(event));
      CHECK(step(machine, kHookEvents.at(i).second) == situation.expected.at(i));
    }
  }
}

TEST_CASE("a failed run is repeated after 1 s, doubling up to a minute") {
  Schedule machine({});
  static_cast<void>(machine.handle(kNew));
  for (const char* delay : {"1", "2", "4", "8", "16", "32", "60", "60", "60"}) {
    CHECK(step(machine, kBad) ==
          std::string("CancelTimer Report(bad, ") + delay + ") ArmTimer(" + delay + ") -> backoff");
    CHECK(step(machine, kTimer) == "ArmTimer(30) Start(x509) -> run");
  }
  SECTION("until a success") {
    CHECK(step(machine, kGood) == "CancelTimer Report(good) -> idle");
  }
  SECTION("until a newer change during the wait") {
    static_cast<void>(machine.handle(kBad));
    CHECK(step(machine, kNewer) == "CancelTimer ArmTimer(30) Start(x509,jwt) -> run");
  }
  SECTION("until a newer change during the run") {
    static_cast<void>(machine.handle(kNewer));
    CHECK(step(machine, kBad) == kAgain);
  }
  static_cast<void>(machine.handle(Schedule::Published{kX509}));
  CHECK(step(machine, kBad).contains("Report(bad"));
  if (machine.state() == Schedule::State::run) CHECK(step(machine, kBad) == kRetry);
}

TEST_CASE("a run gets all changes since the start of the last successful run") {
  Schedule machine({});
  CHECK(step(machine, kNew).contains("Start(x509)"));
  static_cast<void>(machine.handle(kNewer));
  CHECK(step(machine, kBad).contains("Start(x509,jwt)"));
  static_cast<void>(machine.handle(Schedule::Published{kBundle}));
  CHECK(step(machine, kGood).contains("Start(bundle)"));
  CHECK(step(machine, kGood) == "CancelTimer Report(good) -> idle");
  CHECK(step(machine, kNewer).contains("Start(jwt)"));
}

// Performs the machine's actions, with a clock of its own, and requires that they follow the rules.
class HookWorld {
 public:
  HookWorld(std::uint64_t seed, bool once) : random_(seed), machine_({.once = once}) {}

  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  void random_event() {
    now_ += std::chrono::milliseconds(pick(3000));
    if (due_ && *due_ <= now_) return fire();
    switch (pick(4)) {
      case 0:
      case 1:
        return publish(Changes{.x509 = pick(2) == 0, .jwt = pick(2) == 0, .bundle = true});
      case 2:
        return exit(pick(2) * 3);
      default:
        return pick(8) == 0 ? stop() : static_cast<void>(0);
    }
  }
  void publish(const Changes& changes) {
    unknown_ |= changes;
    send(Schedule::Published{changes});
  }
  void exit(int code) {
    if (!std::exchange(running_, false)) return;
    if (code == 0 && !termed_) owed_ = {};
    send(Schedule::Exited{code});
  }
  void stop() {
    stopped_ = true;
    send(kStop);
  }
  void fire() {
    due_.reset();
    send(kTimer);
  }
  // Lets runs succeed and timers fire until nothing is in progress.
  void settle() {
    for (int i = 0; i < 100 && (running_ || due_); ++i) {
      if (running_) {
        exit(0);
      } else {
        fire();
      }
    }
    REQUIRE_FALSE(running_);
    REQUIRE_FALSE(due_);
  }
  // Whether every change was passed to a successful run.
  [[nodiscard]] bool all_told() const { return !owed_.any() && !unknown_.any(); }
  [[nodiscard]] Schedule::State state() const { return machine_.state(); }
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  void send(Schedule::Event event) {
    std::optional<Schedule::Event> next = std::move(event);
    while (next) {
      const auto actions = machine_.handle(*std::exchange(next, std::nullopt));
      for (std::size_t i = 0; i < actions.size(); ++i) {
        next = std::visit([this](const auto& a) { return act(a); }, actions[i]);
        REQUIRE((!next || i + 1 == actions.size()));
      }
    }
    REQUIRE((ended_ == (machine_.state() == Schedule::State::ended)));
  }

  std::optional<Schedule::Event> act(const Schedule::Start& a) {
    REQUIRE_FALSE(running_);
    REQUIRE_FALSE(ended_);
    REQUIRE_FALSE(stopped_);
    owed_ |= std::exchange(unknown_, {});
    REQUIRE((a.changes == owed_));
    termed_ = false;
    if (pick(8) == 0) return Schedule::StartFailed{};
    running_ = true;
    return std::nullopt;
  }
  std::optional<Schedule::Event> act(const Schedule::SendTerm&) {
    REQUIRE(running_);
    termed_ = true;
    return std::nullopt;
  }
  std::optional<Schedule::Event> act(const Schedule::Kill&) {
    REQUIRE(running_);
    REQUIRE(termed_);
    return std::nullopt;
  }
  std::optional<Schedule::Event> act(const Schedule::ArmTimer& a) {
    REQUIRE((a.delay > seconds(0) && a.delay <= seconds(60)));
    due_ = now_ + a.delay;
    return std::nullopt;
  }
  std::optional<Schedule::Event> act(const Schedule::CancelTimer&) {
    due_.reset();
    return std::nullopt;
  }
  std::optional<Schedule::Event> act(const Schedule::Report&) {
    REQUIRE_FALSE(running_);
    return std::nullopt;
  }
  std::optional<Schedule::Event> act(const Schedule::End&) {
    REQUIRE_FALSE(std::exchange(ended_, true));
    REQUIRE_FALSE(due_);
    running_ = false;  // the run is left alone
    return std::nullopt;
  }

  std::mt19937_64 random_;
  Schedule machine_;
  std::chrono::milliseconds now_{0};
  std::optional<std::chrono::nanoseconds> due_;
  Changes unknown_;  // since the last start
  Changes owed_;     // changes for the present run, or the next one
  bool running_ = false;
  bool termed_ = false;
  bool stopped_ = false;
  bool ended_ = false;
};

TEST_CASE("in random sequences there is one run at a time, no change is lost, and stop ends it") {
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    INFO("seed " << seed);
    HookWorld world(seed, seed % 8 == 7);
    for (int i = 0; i < 60; ++i) world.random_event();
    world.settle();
    if (world.state() != Schedule::State::ended) {
      REQUIRE((world.state() == Schedule::State::idle));
      REQUIRE_FALSE(world.stopped());
      REQUIRE(world.all_told());
      world.stop();
    }
    world.settle();
    REQUIRE((world.state() == Schedule::State::ended));
  }
}

}  // namespace
}  // namespace spiffe::process
