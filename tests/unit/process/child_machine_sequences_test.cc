#include "child_machine_text.hh"
#include "process/child_machine.hh"
#include "support/catch.hh"

namespace spiffe::process {
namespace {

using std::chrono::seconds;

TEST_CASE("the first generation since the helper's start starts the child, whatever its number") {
  ChildMachine machine(kSignal);
  CHECK(step(machine, Published{0}, kStart) == "Start -> run");
  CHECK(step(machine, Published{0}, kStart) == "-> run");
  CHECK(machine.notified() == 0);
}

TEST_CASE("a deadly signal waits for the handler, but only while the child is young") {
  ChildMachine machine(kGuarded);
  static_cast<void>(machine.handle(Published{1}, kStart));
  SECTION("until the handler is set, which is checked each time") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart) == "ArmTimer(100) -> run");
    CHECK(machine.notified() == 1);
    CHECK(step(machine, Published{3}, kStart) == "-> run");
    CHECK(step(machine, TimerFired{}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::handled}, kStart) == "Signal -> run");
    CHECK(machine.notified() == 3);
    CHECK(step(machine, Published{4}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart) == "ArmTimer(100) -> run");
    CHECK(machine.notified() == 3);
  }
  SECTION("until the child is ten seconds old") {
    CHECK(step(machine, Published{2}, kStart + seconds(9)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(9)) == "ArmTimer(100) -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(10)) == "Signal(unhandled) -> run");
    CHECK(machine.notified() == 2);
  }
  SECTION("until it is no longer ignored, or the child is ten seconds old") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::ignored}, kStart) == "ArmTimer(100) -> run");
    CHECK(step(machine, Readiness{SignalUse::ignored}, kStart + seconds(10)) == "Signal -> run");
    CHECK(machine.notified() == 2);
  }
  SECTION("until two checks in a row find it blocked") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart) == "ArmTimer(100) -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "Signal -> run");
    CHECK(step(machine, Published{3}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "Signal -> run");
  }
  SECTION("and both checks find the same child") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
    CHECK(step(machine, kExit3, kStart) == "CancelTimer ReportExit(restart) Start -> run");
    CHECK(step(machine, Published{3}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
  }
  SECTION("or one check, once it is no longer young") {
    CHECK(step(machine, Published{2}, kStart + seconds(30)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart + seconds(30)) == "Signal -> run");
  }
  SECTION("again for each child") {
    CHECK(step(machine, Published{2}, kStart) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::handled}, kStart) == "Signal -> run");
    CHECK(step(machine, kExit3, kStart) == "ReportExit(next_rotation) -> gone");
    CHECK(step(machine, Published{3}, kStart + seconds(60)) == "Start -> run");
    CHECK(step(machine, Published{4}, kStart + seconds(69)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(69)) == "ArmTimer(100) -> run");
  }
}

TEST_CASE("a deadly signal waits again for ten seconds after the last one") {
  ChildMachine machine(kGuarded);
  static_cast<void>(machine.handle(Published{1}, kStart));
  CHECK(step(machine, Published{2}, kStart + seconds(60)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::handled}, kStart + seconds(60)) == "Signal -> run");
  CHECK(step(machine, Published{3}, kStart + seconds(60)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(60)) == "ArmTimer(100) -> run");
  CHECK(step(machine, TimerFired{}, kStart + seconds(61)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::ignored}, kStart + seconds(61)) == "ArmTimer(100) -> run");
  CHECK(step(machine, TimerFired{}, kStart + seconds(62)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::handled}, kStart + seconds(62)) == "Signal -> run");
  CHECK(machine.notified() == 3);
  CHECK(step(machine, Published{4}, kStart + seconds(63)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::blocked}, kStart + seconds(63)) == "ArmTimer(100) -> run");
  CHECK(step(machine, TimerFired{}, kStart + seconds(71)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::blocked}, kStart + seconds(71)) == "ArmTimer(100) -> run");
  CHECK(step(machine, TimerFired{}, kStart + seconds(72)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::blocked}, kStart + seconds(72)) == "Signal -> run");
  // It waits for blocked signals.
  CHECK(step(machine, Published{5}, kStart + seconds(73)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::blocked}, kStart + seconds(73)) == "Signal -> run");
  CHECK(step(machine, Published{6}, kStart + seconds(74)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::ignored}, kStart + seconds(74)) == "ArmTimer(100) -> run");
  CHECK(step(machine, Readiness{SignalUse::ignored}, kStart + seconds(83)) == "Signal -> run");
}

TEST_CASE("a deadly signal is withheld while the child is not ready") {
  ChildMachine machine(kWithheld);
  static_cast<void>(machine.handle(Published{1}, kStart));
  CHECK(step(machine, Published{2}, kStart + seconds(10)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(10)) ==
        "ReportWithheld ArmTimer(1000) -> run");
  CHECK(step(machine, TimerFired{}, kStart + seconds(11)) == "CheckReady -> run");
  CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(11)) == "ArmTimer(1000) -> run");
  CHECK(step(machine, Published{3}, kStart + seconds(12)) == "-> run");
  CHECK(step(machine, TimerFired{}, kStart + seconds(12)) == "CheckReady -> run");
  SECTION("and reported once, but again for the next one") {
    CHECK(step(machine, Readiness{SignalUse::handled}, kStart + seconds(12)) == "Signal -> run");
    CHECK(machine.notified() == 3);
    CHECK(step(machine, Published{4}, kStart + seconds(22)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(22)) ==
          "ReportWithheld ArmTimer(1000) -> run");
  }
  SECTION("and for the next child") {
    CHECK(step(machine, kExit3, kStart + seconds(12)) == "CancelTimer ReportExit(restart) Start -> run");
    CHECK(step(machine, Published{4}, kStart + seconds(22)) == "CheckReady -> run");
    CHECK(step(machine, Readiness{SignalUse::none}, kStart + seconds(22)) ==
          "ReportWithheld ArmTimer(1000) -> run");
  }
}

TEST_CASE("a new policy applies to what is in progress") {
  ChildMachine machine(kGuarded);
  for (const Event& event : std::vector<Event>{Published{1}, Published{2}, Readiness{SignalUse::none}})
    static_cast<void>(machine.handle(event, kStart));
  SECTION("nothing on rotation") {
    machine.set_policy(kNone);
    CHECK(step(machine, TimerFired{}, kStart) == "-> run");
    CHECK(machine.notified() == 2);
    CHECK(step(machine, kExit3, kStart) == kGone);
  }
  SECTION("a harmless signal") {
    machine.set_policy(kSignal);
    CHECK(step(machine, TimerFired{}, kStart) == "Signal -> run");
  }
  SECTION("another deadly signal is checked again") {
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
    machine.set_policy(kGuarded);
    CHECK(step(machine, Readiness{SignalUse::blocked}, kStart) == "ArmTimer(100) -> run");
  }
}

TEST_CASE("a wrapped child that repeatedly fails quickly is given up") {
  ChildMachine machine(kWrapOnFailure);
  BootTime now = kStart;
  CHECK(step(machine, Published{5}, now) == "Start -> run");
  for (int failure = 1; failure <= 4; ++failure) {
    INFO(failure);
    CHECK(step(machine, failure == 2 ? Event(StartFailed{127}) : kExit3, now += seconds(1)) ==
          (failure == 2 ? kBackoffNotStarted : kBackoff));
    CHECK(step(machine, Published{static_cast<Generation>(5 + failure)}, now) == "-> backoff");
    CHECK(step(machine, TimerFired{}, now += seconds(9)) == "Start -> run");
    CHECK(machine.notified() == 5 + failure);
  }
  CHECK(step(machine, kExit3, now += seconds(9)) == "ReportExit(give_up) End(3) -> ended");
}

TEST_CASE("a job that repeatedly fails quickly is started again") {
  ChildMachine machine(kOnFailure);
  BootTime now = kStart;
  CHECK(step(machine, Published{5}, now) == "Start -> run");
  for (int failure = 1; failure <= 20; ++failure) {
    CHECK(step(machine, failure == 2 ? Event(StartFailed{127}) : kExit3, now += seconds(1)) ==
          (failure == 2 ? kBackoffNotStarted : kBackoff));
    CHECK(step(machine, TimerFired{}, now += seconds(60)) == "Start -> run");
  }
}

TEST_CASE("starts that fail for a shortage of processes never end the helper") {
  ChildMachine machine(GENERATE(kWrap, kWrapAlways, kNone));
  BootTime now = kStart;
  CHECK(step(machine, Published{5}, now) == "Start -> run");
  for (int i = 0; i < 20; ++i) {
    CHECK(step(machine, StartFailed{.code = 126, .shortage = true}, now) == kBackoffNotStarted);
    CHECK(step(machine, TimerFired{}, now += seconds(60)) == "Start -> run");
  }
}

TEST_CASE("generations published while a child is being stopped are read by the next start") {
  ChildMachine machine(kRestart);
  for (const Generation g : {1, 2, 3, 4}) static_cast<void>(machine.handle(Published{g}, kStart));
  CHECK(machine.notified() == 1);
  CHECK(step(machine, kExit3, kStart) == "CancelTimer ReportExit(restart) Start -> run");
  CHECK(machine.notified() == 4);
}

TEST_CASE("deadly signals are those that end an unprepared process") {
  for (const int signo : {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGQUIT, SIGRTMIN + 1}) CHECK(is_deadly(signo));
  for (const int signo : {SIGWINCH, SIGCHLD, SIGCONT, SIGURG, SIGTSTP, SIGKILL})
    CHECK_FALSE(is_deadly(signo));
}

}  // namespace
}  // namespace spiffe::process
