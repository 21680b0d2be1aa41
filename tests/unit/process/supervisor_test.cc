#include "process/supervisor.hh"

#include <array>
#include <map>
#include <string>

#include "policies.hh"
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
    std::string operator()(const ReportExit& a) { return "ReportExit(" + next(a.next) + ")"; }
    std::string operator()(const ReportFailedStart& a) { return "ReportFailedStart(" + next(a.next) + ")"; }
    std::string operator()(const ReportWithheld&) { return "ReportWithheld"; }
    std::string operator()(const ReportTimeout&) { return "ReportTimeout"; }
    std::string operator()(const End& a) {
      return "End(" + std::to_string(a.exit_code) + (a.left ? ", left)" : ")");
    }
    static std::string next(Next next) {
      constexpr std::array kNext = {"next_rotation", "restart", "backoff", "give_up", "end"};
      return kNext.at(static_cast<std::size_t>(next));
    }
  } name;
  return std::visit(name, action);
}

std::string text(const Supervisor& machine) {
  constexpr std::array kStates = {"wait", "run", "gone", "backoff", "stopping", "killing", "ended"};
  const State state = machine.state();
  std::string out = kStates.at(static_cast<std::size_t>(state));
  if (state != State::stopping && state != State::killing) return out;
  return out + (machine.target() == Target::start ? "(start)" : "(end)");
}

// "Start -> run": the actions of one event and the state after it.
// A back-off is shown as such: its length is Restarts' matter.
std::string step(Supervisor& machine, const Event& event, BootTime now) {
  std::string out;
  for (const Action& action : machine.handle(event, now)) {
    const bool backoff = machine.state() == State::backoff && std::holds_alternative<ArmTimer>(action);
    out += (backoff ? "ArmTimer(backoff)" : text(action)) + ' ';
  }
  return out + "-> " + text(machine);
}

// A column of the table: what each event does. Situations publish 5 first, so 9 is new and 1 is not.
const std::array<std::pair<const char*, Event>, 14> kEvents = {{
    {"begin", Begin{}},
    {"a new generation", Published{9}},
    {"an old generation", Published{1}},
    {"exit", kExit3},
    {"a good exit", Exited{{.code = 0}}},
    {"start failed", StartFailed{126}},
    {"no process left", StartFailed{.code = 126, .shortage = true}},
    {"ready", Readiness{SignalUse::handled}},
    {"not ready", Readiness{SignalUse::none}},
    {"blocked", Readiness{SignalUse::blocked}},
    {"timer", TimerFired{}},
    {"kill refused", KillRefused{}},
    {"replaced", Replaced{}},
    {"terminate", Terminate{SIGTERM}},
}};

struct Situation {
  const char* name;
  Supervisor::Policy policy;
  std::vector<Event> before;
  // Of the events that do something; the others leave everything as it is.
  std::map<std::string, std::string> expected;
};

const std::string kStop = "SendStop ArmTimer(10000) -> stopping(end)";
const std::string kStopToStart = "SendStop ArmTimer(10000) -> stopping(start)";
const std::string kGone = "ReportExit(next_rotation) -> gone";
const std::string kNotStarted = "ReportFailedStart(next_rotation) -> gone";
const std::string kBackoff = "ReportExit(backoff) ArmTimer(backoff) -> backoff";
const std::string kBackoffNotStarted = "ReportFailedStart(backoff) ArmTimer(backoff) -> backoff";

const std::vector<Situation> kTable = {
    {"waiting for the first generation",
     kSignal,
     {},
     {{"a new generation", "Start -> run"},
      {"an old generation", "Start -> run"},
      {"terminate", "End(0) -> ended"}}},
    {"beginning, with a limit",
     kTimed,
     {},
     {{"begin", "ArmTimer(30000) -> wait"},
      {"a new generation", "Start -> run"},
      {"an old generation", "Start -> run"},
      {"terminate", "End(0) -> ended"}}},
    {"waiting for a limited time",
     kTimed,
     {Begin{}},
     {{"begin", "ArmTimer(30000) -> wait"},
      {"a new generation", "CancelTimer Start -> run"},
      {"an old generation", "CancelTimer Start -> run"},
      {"timer", "ReportTimeout End(1) -> ended"},
      {"terminate", "CancelTimer End(0) -> ended"}}},
    {"waiting to wrap",
     kWrap,
     {},
     {{"a new generation", "Start -> run"},
      {"an old generation", "Start -> run"},
      {"terminate", "End(143) -> ended"}}},
    {"running, nothing on rotation",
     kNone,
     {Published{5}},
     {{"exit", kGone},
      {"a good exit", kGone},
      {"start failed", kNotStarted},
      {"no process left", kBackoffNotStarted},
      {"replaced", kStopToStart},
      {"terminate", kStop}}},
    {"running, a harmless signal on rotation",
     kSignal,
     {Published{5}},
     {{"a new generation", "Signal -> run"},
      {"exit", kGone},
      {"a good exit", kGone},
      {"start failed", kNotStarted},
      {"no process left", kBackoffNotStarted},
      {"replaced", kStopToStart},
      {"terminate", kStop}}},
    {"running, a deadly signal on rotation",
     kGuarded,
     {Published{5}},
     {{"a new generation", "CheckReady -> run"},
      {"exit", kGone},
      {"a good exit", kGone},
      {"start failed", kNotStarted},
      {"no process left", kBackoffNotStarted},
      {"replaced", kStopToStart},
      {"terminate", kStop}}},
    {"running, a deadly signal put off",
     kGuarded,
     {Published{5}, Published{6}, Readiness{SignalUse::none}},
     {{"exit", "CancelTimer ReportExit(restart) Start -> run"},
      {"a good exit", "CancelTimer ReportExit(restart) Start -> run"},
      {"start failed", kNotStarted},
      {"no process left", kBackoffNotStarted},
      {"ready", "Signal -> run"},
      {"not ready", "ArmTimer(100) -> run"},
      {"blocked", "ArmTimer(100) -> run"},
      {"timer", "CheckReady -> run"},
      {"replaced", kStopToStart},
      {"terminate", kStop}}},
    {"running, restart on rotation",
     kRestart,
     {Published{5}},
     {{"a new generation", kStopToStart},
      {"exit", kGone},
      {"a good exit", kGone},
      {"start failed", kNotStarted},
      {"no process left", kBackoffNotStarted},
      {"replaced", kStopToStart},
      {"terminate", kStop}}},
    {"running, to be left alone at the end",
     kLeave,
     {Published{5}},
     {{"a new generation", "Signal -> run"},
      {"exit", kGone},
      {"a good exit", kGone},
      {"start failed", kNotStarted},
      {"no process left", kBackoffNotStarted},
      {"replaced", kStopToStart},
      {"terminate", "End(0, left) -> ended"}}},
    {"running, to be left alone, a deadly signal put off",
     kLeaveGuarded,
     {Published{5}, Published{6}, Readiness{SignalUse::none}},
     {{"exit", "CancelTimer ReportExit(restart) Start -> run"},
      {"a good exit", "CancelTimer ReportExit(restart) Start -> run"},
      {"start failed", kNotStarted},
      {"no process left", kBackoffNotStarted},
      {"ready", "Signal -> run"},
      {"not ready", "ArmTimer(100) -> run"},
      {"blocked", "ArmTimer(100) -> run"},
      {"timer", "CheckReady -> run"},
      {"replaced", kStopToStart},
      {"terminate", "CancelTimer End(0, left) -> ended"}}},
    {"running, wrapped, never to start again",
     kWrap,
     {Published{5}},
     {{"a new generation", "Signal -> run"},
      {"exit", "ReportExit(end) End(3) -> ended"},
      {"a good exit", "ReportExit(end) End(0) -> ended"},
      {"start failed", "ReportFailedStart(end) End(126) -> ended"},
      {"no process left", kBackoffNotStarted},
      {"replaced", kStopToStart},
      {"terminate", kStop}}},
    {"running, wrapped, a deadly signal put off",
     kWrapGuarded,
     {Published{5}, Published{6}, Readiness{SignalUse::none}},
     {{"exit", "CancelTimer ReportExit(end) End(3) -> ended"},
      {"a good exit", "CancelTimer ReportExit(end) End(0) -> ended"},
      {"start failed", "ReportFailedStart(end) End(126) -> ended"},
      {"no process left", kBackoffNotStarted},
      {"ready", "Signal -> run"},
      {"not ready", "ArmTimer(100) -> run"},
      {"blocked", "ArmTimer(100) -> run"},
      {"timer", "CheckReady -> run"},
      {"replaced", kStopToStart},
      {"terminate", kStop}}},
    {"running, wrapped, to start again after a failure",
     kWrapOnFailure,
     {Published{5}},
     {{"a new generation", "Signal -> run"},
      {"exit", kBackoff},
      {"a good exit", "ReportExit(end) End(0) -> ended"},
      {"start failed", kBackoffNotStarted},
      {"no process left", kBackoffNotStarted},
      {"replaced", kStopToStart},
      {"terminate", kStop}}},
    {"running, wrapped, always to start again",
     kWrapAlways,
     {Published{5}},
     {{"a new generation", kStopToStart},
      {"exit", kBackoff},
      {"a good exit", kBackoff},
      {"start failed", kBackoffNotStarted},
      {"no process left", kBackoffNotStarted},
      {"replaced", kStopToStart},
      {"terminate", kStop}}},
    {"gone after an exit",
     kSignal,
     {Published{5}, kExit3},
     {{"a new generation", "Start -> run"}, {"replaced", "Start -> run"}, {"terminate", "End(0) -> ended"}}},
    {"gone because it could not be started",
     kSignal,
     {Published{5}, StartFailed{}},
     {{"a new generation", "Start -> run"}, {"replaced", "Start -> run"}, {"terminate", "End(0) -> ended"}}},
    {"backing off",
     kWrapOnFailure,
     {Published{5}, kExit3},
     {{"timer", "Start -> run"}, {"terminate", "CancelTimer End(3) -> ended"}}},
    {"backing off because there was no process left",
     kSignal,
     {Published{5}, StartFailed{.code = 126, .shortage = true}},
     {{"timer", "Start -> run"}, {"terminate", "CancelTimer End(0) -> ended"}}},
    {"backing off, wrapped, because there was no process left",
     kWrap,
     {Published{5}, StartFailed{.code = 126, .shortage = true}},
     {{"timer", "Start -> run"}, {"terminate", "CancelTimer End(143) -> ended"}}},
    {"stopping to start again",
     kRestart,
     {Published{5}, Published{6}},
     {{"exit", "CancelTimer ReportExit(restart) Start -> run"},
      {"a good exit", "CancelTimer ReportExit(restart) Start -> run"},
      {"timer", "Kill -> killing(start)"},
      {"terminate", "-> stopping(end)"}}},
    {"stopping to end",
     kSignal,
     {Published{5}, Terminate{}},
     {{"exit", "CancelTimer ReportExit(end) End(0) -> ended"},
      {"a good exit", "CancelTimer ReportExit(end) End(0) -> ended"},
      {"timer", "Kill -> killing(end)"},
      {"terminate", "CancelTimer Kill -> killing(end)"}}},
    {"stopping to end, wrapped",
     kWrapAlways,
     {Published{5}, Terminate{SIGTERM}},
     {{"exit", "CancelTimer ReportExit(end) End(3) -> ended"},
      {"a good exit", "CancelTimer ReportExit(end) End(0) -> ended"},
      {"timer", "Kill -> killing(end)"},
      {"terminate", "CancelTimer Kill -> killing(end)"}}},
    {"killing to start again",
     kRestart,
     {Published{5}, Published{6}, TimerFired{}},
     {{"exit", "ReportExit(restart) Start -> run"},
      {"a good exit", "ReportExit(restart) Start -> run"},
      {"terminate", "Kill -> killing(end)"}}},
    {"killing to end",
     kSignal,
     {Published{5}, Terminate{}, TimerFired{}},
     {{"exit", "ReportExit(end) End(0) -> ended"},
      {"a good exit", "ReportExit(end) End(0) -> ended"},
      {"kill refused", "End(0) -> ended"}}},
    {"killing to end, wrapped",
     kWrap,
     {Published{5}, Terminate{}, TimerFired{}},
     {{"exit", "ReportExit(end) End(3) -> ended"},
      {"a good exit", "ReportExit(end) End(0) -> ended"},
      {"kill refused", "End(1) -> ended"}}},
    {"ended", kSignal, {Published{5}, kExit3, Terminate{}}, {}},
};

TEST_CASE("supervisor does what its table says") {
  for (const Situation& situation : kTable) {
    std::size_t used = 0;
    for (const auto& [name, event] : kEvents) {
      INFO(situation.name << ": " << name);
      Supervisor machine(situation.policy);
      for (const Event& before : situation.before) static_cast<void>(machine.handle(before, kStart));
      const auto expected = situation.expected.find(name);
      const bool named = expected != situation.expected.end();
      used += named ? 1 : 0;
      const std::string unchanged = "-> " + text(machine);
      CHECK(step(machine, event, kStart + seconds(1)) == (named ? expected->second : unchanged));
    }
    CHECK(used == situation.expected.size());
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
  SECTION("until the handler is there, which is asked for each time") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart) == "ArmTimer(100) -> run");
    CHECK(machine.told() == 1);
    CHECK(step(machine, Published{3}, kStart) == "-> run");
    CHECK(step(machine, TimerFired{}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::handled}, kStart) == "Signal -> run");
    CHECK(machine.told() == 3);
    CHECK(step(machine, Published{4}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart) == "ArmTimer(100) -> run");
    CHECK(machine.told() == 3);
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
    CHECK(step(machine, Published{3}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "Signal -> run");
  }
  SECTION("and both looks see the same child") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
    CHECK(step(machine, kExit3, kStart) == "CancelTimer ReportExit(restart) Start -> run");
    CHECK(step(machine, Published{3}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
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

TEST_CASE("a deadly signal is withheld for as long as the child is not ready") {
  Supervisor machine(kWithheld);
  static_cast<void>(machine.handle(Published{1}, kStart));
  CHECK(step(machine, Published{2}, kStart + seconds(10)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(10)) ==
        "ReportWithheld ArmTimer(1000) -> run");
  CHECK(step(machine, TimerFired{}, kStart + seconds(11)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(11)) == "ArmTimer(1000) -> run");
  CHECK(step(machine, Published{3}, kStart + seconds(12)) == "-> run");
  CHECK(step(machine, TimerFired{}, kStart + seconds(12)) == "CheckReady -> run");
  SECTION("and is said once, but again for the next one") {
    CHECK(step(machine, Readiness{SignalUse::handled}, kStart + seconds(12)) == "Signal -> run");
    CHECK(machine.told() == 3);
    CHECK(step(machine, Published{4}, kStart + seconds(13)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(13)) ==
          "ReportWithheld ArmTimer(1000) -> run");
  }
  SECTION("and for the next child") {
    CHECK(step(machine, kExit3, kStart + seconds(12)) == "CancelTimer ReportExit(restart) Start -> run");
    CHECK(step(machine, Published{4}, kStart + seconds(22)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(22)) ==
          "ReportWithheld ArmTimer(1000) -> run");
  }
}

TEST_CASE("a new policy counts for what is under way") {
  Supervisor machine(kGuarded);
  for (const Event& event : std::vector<Event>{Published{1}, Published{2}, Readiness{SignalUse::none}})
    static_cast<void>(machine.handle(event, kStart));
  SECTION("nothing on rotation") {
    machine.set_policy(kNone);
    CHECK(step(machine, TimerFired{}, kStart) == "-> run");
    CHECK(machine.told() == 2);
    CHECK(step(machine, kExit3, kStart) == kGone);
  }
  SECTION("a harmless signal") {
    machine.set_policy(kSignal);
    CHECK(step(machine, TimerFired{}, kStart) == "Signal -> run");
  }
  SECTION("another deadly signal is looked for anew") {
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
    machine.set_policy(kGuarded);
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
  }
}

TEST_CASE("a wrapped child that keeps failing quickly is given up") {
  Supervisor machine(kWrapOnFailure);
  BootTime now = kStart;
  CHECK(step(machine, Published{5}, now) == "Start -> run");
  for (int failure = 1; failure <= 4; ++failure) {
    INFO(failure);
    CHECK(step(machine, failure == 2 ? Event(StartFailed{127}) : kExit3, now += seconds(1)) ==
          (failure == 2 ? kBackoffNotStarted : kBackoff));
    CHECK(step(machine, Published{static_cast<Generation>(5 + failure)}, now) == "-> backoff");
    CHECK(step(machine, TimerFired{}, now += seconds(9)) == "Start -> run");
    CHECK(machine.told() == 5 + failure);
  }
  CHECK(step(machine, kExit3, now += seconds(9)) == "ReportExit(give_up) End(3) -> ended");
}

TEST_CASE("starts for which there was no process left never end the helper") {
  Supervisor machine(GENERATE(kWrap, kWrapAlways, kNone));
  BootTime now = kStart;
  CHECK(step(machine, Published{5}, now) == "Start -> run");
  for (int i = 0; i < 20; ++i) {
    CHECK(step(machine, StartFailed{.code = 126, .shortage = true}, now) == kBackoffNotStarted);
    CHECK(step(machine, TimerFired{}, now += seconds(60)) == "Start -> run");
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

}  // namespace
}  // namespace spiffe::process
