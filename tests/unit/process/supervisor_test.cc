#include "process/supervisor.hh"

#include <array>
#include <random>
#include <string>

#include "support/catch.hh"

namespace spiffe::process {
namespace {

using std::chrono::seconds;

std::string text(const Action& action) {
  struct {
    std::string operator()(const Start&) { return "Start"; }
    std::string operator()(const CheckReady&) { return "CheckReady"; }
    std::string operator()(const Signal& a) { return a.handled ? "Signal" : "Signal(unhandled)"; }
    std::string operator()(const SendStop&) { return "SendStop"; }
    std::string operator()(const Kill&) { return "Kill"; }
    std::string operator()(const ArmTimer& a) {
      return "ArmTimer(" + std::to_string(std::chrono::floor<std::chrono::milliseconds>(a.delay).count()) +
             ")";
    }
    std::string operator()(const CancelTimer&) { return "CancelTimer"; }
    std::string operator()(const ReportExit& a) {
      constexpr std::array kNext = {"next_rotation", "restart", "end"};
      return "ReportExit(" + std::string(kNext.at(static_cast<std::size_t>(a.next))) + ")";
    }
    std::string operator()(const End& a) { return "End(" + std::to_string(a.exit_code) + ")"; }
  } name;
  return std::visit(name, action);
}

std::string text(const Supervisor& machine) {
  constexpr std::array kStates = {"wait", "run", "gone", "stopping", "killing", "ended"};
  const State state = machine.state();
  std::string out = kStates.at(static_cast<std::size_t>(state));
  if (state != State::stopping && state != State::killing) return out;
  return out + (machine.target() == Target::start ? "(start)" : "(end)");
}

// "Start -> run": the actions of one event and the state after it.
std::string step(Supervisor& machine, const Event& event, BootTime now) {
  std::string out;
  for (const Action& action : machine.handle(event, now)) out += text(action) + ' ';
  return out + "-> " + text(machine);
}

constexpr BootTime kStart{seconds(1000)};
const Exited kExit3{{.code = 3}};

constexpr Supervisor::Policy kNone{.on_rotate = OnRotate::none};
constexpr Supervisor::Policy kSignal{.on_rotate = OnRotate::signal};
constexpr Supervisor::Policy kGuarded{.on_rotate = OnRotate::signal, .guard = true};
constexpr Supervisor::Policy kRestart{.on_rotate = OnRotate::restart};

// A column of the table: what each event does. Situations publish 5 first, so 9 is new and 1 is not.
const std::array<std::pair<const char*, Event>, 10> kEvents = {{
    {"a new generation", Published{9}},
    {"an old generation", Published{1}},
    {"exit", kExit3},
    {"start failed", StartFailed{}},
    {"ready", Readiness{SignalUse::handled}},
    {"not ready", Readiness{SignalUse::none}},
    {"blocked", Readiness{SignalUse::blocked}},
    {"timer", TimerFired{}},
    {"kill refused", KillRefused{}},
    {"terminate", Terminate{}},
}};

struct Situation {
  const char* name;
  Supervisor::Policy policy;
  std::vector<Event> before;
  std::array<std::string, kEvents.size()> expected;
};

const std::vector<Situation> kTable = {
    {"waiting for the first generation",
     kSignal,
     {},
     {"Start -> run", "Start -> run", "-> wait", "-> wait", "-> wait", "-> wait", "-> wait", "-> wait",
      "-> wait", "End(0) -> ended"}},
    {"running, nothing on rotation",
     kNone,
     {Published{5}},
     {"-> run", "-> run", "ReportExit(next_rotation) -> gone", "-> gone", "-> run", "-> run", "-> run",
      "-> run", "-> run", "SendStop ArmTimer(10000) -> stopping(end)"}},
    {"running, a harmless signal on rotation",
     kSignal,
     {Published{5}},
     {"Signal -> run", "-> run", "ReportExit(next_rotation) -> gone", "-> gone", "-> run", "-> run", "-> run",
      "-> run", "-> run", "SendStop ArmTimer(10000) -> stopping(end)"}},
    {"running, a deadly signal on rotation",
     kGuarded,
     {Published{5}},
     {"CheckReady -> run", "-> run", "ReportExit(next_rotation) -> gone", "-> gone", "-> run", "-> run",
      "-> run", "-> run", "-> run", "SendStop ArmTimer(10000) -> stopping(end)"}},
    {"running, a deadly signal withheld",
     kGuarded,
     {Published{5}, Published{6}, Readiness{SignalUse::none}},
     {"-> run", "-> run", "CancelTimer ReportExit(restart) Start -> run", "-> gone", "Signal -> run",
      "ArmTimer(100) -> run", "ArmTimer(100) -> run", "CheckReady -> run", "-> run",
      "SendStop ArmTimer(10000) -> stopping(end)"}},
    {"running, restart on rotation",
     kRestart,
     {Published{5}},
     {"SendStop ArmTimer(10000) -> stopping(start)", "-> run", "ReportExit(next_rotation) -> gone", "-> gone",
      "-> run", "-> run", "-> run", "-> run", "-> run", "SendStop ArmTimer(10000) -> stopping(end)"}},
    {"gone after an exit",
     kSignal,
     {Published{5}, kExit3},
     {"Start -> run", "-> gone", "-> gone", "-> gone", "-> gone", "-> gone", "-> gone", "-> gone", "-> gone",
      "End(0) -> ended"}},
    {"gone because it could not be started",
     kSignal,
     {Published{5}, StartFailed{}},
     {"Start -> run", "-> gone", "-> gone", "-> gone", "-> gone", "-> gone", "-> gone", "-> gone", "-> gone",
      "End(0) -> ended"}},
    {"stopping to start again",
     kRestart,
     {Published{5}, Published{6}},
     {"-> stopping(start)", "-> stopping(start)", "CancelTimer ReportExit(restart) Start -> run",
      "-> stopping(start)", "-> stopping(start)", "-> stopping(start)", "-> stopping(start)",
      "Kill -> killing(start)", "-> stopping(start)", "-> stopping(end)"}},
    {"stopping to end",
     kSignal,
     {Published{5}, Terminate{}},
     {"-> stopping(end)", "-> stopping(end)", "CancelTimer ReportExit(end) End(0) -> ended",
      "-> stopping(end)", "-> stopping(end)", "-> stopping(end)", "-> stopping(end)", "Kill -> killing(end)",
      "-> stopping(end)", "CancelTimer Kill -> killing(end)"}},
    {"killing to start again",
     kRestart,
     {Published{5}, Published{6}, TimerFired{}},
     {"-> killing(start)", "-> killing(start)", "ReportExit(restart) Start -> run", "-> killing(start)",
      "-> killing(start)", "-> killing(start)", "-> killing(start)", "-> killing(start)", "-> killing(start)",
      "Kill -> killing(end)"}},
    {"killing to end",
     kSignal,
     {Published{5}, Terminate{}, TimerFired{}},
     {"-> killing(end)", "-> killing(end)", "ReportExit(end) End(0) -> ended", "-> killing(end)",
      "-> killing(end)", "-> killing(end)", "-> killing(end)", "-> killing(end)", "End(0) -> ended",
      "-> killing(end)"}},
    {"ended",
     kSignal,
     {Published{5}, kExit3, Terminate{}},
     {"-> ended", "-> ended", "-> ended", "-> ended", "-> ended", "-> ended", "-> ended", "-> ended",
      "-> ended", "-> ended"}},
};

TEST_CASE("supervisor does what its table says") {
  for (const Situation& situation : kTable) {
    for (std::size_t i = 0; i < kEvents.size(); ++i) {
      INFO(situation.name << ": " << kEvents.at(i).first);
      Supervisor machine(situation.policy);
      for (const Event& event : situation.before) static_cast<void>(machine.handle(event, kStart));
      CHECK(step(machine, kEvents.at(i).second, kStart + seconds(1)) == situation.expected.at(i));
    }
  }
}

TEST_CASE("the first generation of the helper's life starts the child whatever its number") {
  Supervisor machine(kSignal);
  CHECK(step(machine, Published{0}, kStart) == "Start -> run");
  CHECK(step(machine, Published{0}, kStart) == "-> run");
  CHECK(machine.told() == 0);
}

TEST_CASE("a deadly signal waits for the handler, but not longer than the child is young") {
  Supervisor machine(kGuarded);
  static_cast<void>(machine.handle(Published{1}, kStart));
  SECTION("until the handler is there, and asks no more after that") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart) == "ArmTimer(100) -> run");
    CHECK(machine.told() == 1);
    CHECK(step(machine, Published{3}, kStart) == "-> run");
    CHECK(step(machine, TimerFired{}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::handled}, kStart) == "Signal -> run");
    CHECK(machine.told() == 3);
    CHECK(step(machine, Published{4}, kStart) == "Signal -> run");
  }
  SECTION("until ten seconds of its life are over") {
    CHECK(step(machine, Published{2}, kStart + seconds(9)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(9)) == "ArmTimer(100) -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(10)) == "Signal(unhandled) -> run");
    CHECK(machine.told() == 2);
  }
  SECTION("until two looks in a row find it blocked") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart) == "ArmTimer(100) -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "Signal -> run");
  }
  SECTION("or one look, once it is no longer young") {
    CHECK(step(machine, Published{2}, kStart + seconds(30)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart + seconds(30)) == "Signal -> run");
  }
  SECTION("each child anew") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::handled}, kStart) == "Signal -> run");
    CHECK(step(machine, kExit3, kStart) == "ReportExit(next_rotation) -> gone");
    CHECK(step(machine, Published{3}, kStart + seconds(60)) == "Start -> run");
    CHECK(step(machine, Published{4}, kStart + seconds(69)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(69)) == "ArmTimer(100) -> run");
  }
}

TEST_CASE("what was published while a child was being stopped is told by the next start") {
  Supervisor machine(kRestart);
  for (const Generation g : {1, 2, 3, 4}) static_cast<void>(machine.handle(Published{g}, kStart));
  CHECK(machine.told() == 1);
  CHECK(step(machine, kExit3, kStart) == "CancelTimer ReportExit(restart) Start -> run");
  CHECK(machine.told() == 4);
}

TEST_CASE("signals that end an unprepared process are deadly") {
  for (const int signo : {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGQUIT, SIGRTMIN + 1}) CHECK(is_deadly(signo));
  for (const int signo : {SIGWINCH, SIGCHLD, SIGCONT, SIGURG, SIGTSTP, SIGKILL})
    CHECK_FALSE(is_deadly(signo));
}

// The other side of the machine: does the actions and breaks their rules loudly.
class World {
 public:
  World(std::uint64_t seed, Supervisor::Policy policy) : random_(seed), policy_(policy), machine_(policy) {}

  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  void send(Event event) {
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
    if (std::exchange(alive_, false)) send(kExit3);
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
      case 6:
        return fire();
      default:
        return pick(4) == 0 ? send(Terminate{}) : static_cast<void>(0);
    }
  }
  // Time passes until nothing is under way: timers fire, and what is being stopped obeys.
  void settle() {
    for (int i = 0; i < 500 && busy(); ++i) {
      now_ += seconds(1);
      if (armed_) {
        fire();
      } else {
        exit();
      }
    }
    REQUIRE_FALSE(busy());
  }

  const Supervisor& machine() const { return machine_; }
  bool alive() const { return alive_; }
  Generation published() const { return published_; }
  Generation child_knows() const { return child_knows_; }

 private:
  bool busy() const {
    const State state = machine_.state();
    return armed_ || state == State::stopping || state == State::killing;
  }

  std::optional<Event> act(const Start&) {
    REQUIRE_FALSE(alive_);
    REQUIRE_FALSE(ended_);
    child_knows_ = published_;
    if (pick(8) == 0) return StartFailed{};
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
  std::optional<Event> act(const ArmTimer&) {
    REQUIRE(alive_);
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
  std::optional<Event> act(const End&) {
    REQUIRE_FALSE(ended_);
    REQUIRE_FALSE(armed_);
    ended_ = true;
    return std::nullopt;
  }

  std::mt19937_64 random_;
  Supervisor::Policy policy_;
  Supervisor machine_;
  BootTime now_ = kStart;
  bool alive_ = false;
  bool armed_ = false;
  bool ended_ = false;
  Generation published_ = 0;
  Generation child_knows_ = 0;
};

TEST_CASE("supervisor keeps its promises in ten thousand random lives") {
  constexpr std::array kPolicies = {kNone, kSignal, kGuarded, kRestart};
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    INFO("seed " << seed);
    const auto& policy = kPolicies.at(seed % kPolicies.size());
    World world(seed, policy);
    for (int i = world.pick(30); i > 0; --i) world.random_event();
    world.settle();
    if (world.machine().state() != State::ended && policy.on_rotate != OnRotate::none) {
      // The last rotation was delivered, or a start took its place.
      CHECK(world.child_knows() == world.published());
    }
    world.send(Terminate{});
    if (world.pick(2) == 0) world.send(Terminate{});
    world.settle();
    CHECK(world.machine().state() == State::ended);
  }
}

}  // namespace
}  // namespace spiffe::process
