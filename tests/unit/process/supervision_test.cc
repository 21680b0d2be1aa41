#include "process/supervision.hh"

#include "processes.hh"

namespace spiffe::process {
namespace {

using std::chrono::milliseconds;

struct Fixture : LoopFixture {
  TempDir dir;
  CapturedLog log{dir};
  std::optional<int> ended;
  std::unique_ptr<Supervision> supervision;

  ~Fixture() {
    if (supervision && supervision->child_pid() > 0) {
      ::kill(supervision->child_pid(), SIGKILL);
      ::waitpid(supervision->child_pid(), nullptr, 0);
    }
  }

  Supervision& supervise(LaunchOptions launch, int renew_signal = 0,
                         milliseconds stop_timeout = milliseconds(5000)) {
    Supervision::Options options{.launch = std::move(launch), .renew_signal = renew_signal};
    options.stop_timeout = stop_timeout;
    supervision =
        std::make_unique<Supervision>(loop(), std::move(options), [this](int code) { ended = code; });
    return *supervision;
  }
  // A shell that says "ready" in the log directory's file "out" once its traps are set.
  std::string out() const { return read_all(dir / "out"); }
  bool until_out(const std::string& text) {
    return until([&] { return out() == text; });
  }
  bool until_state(State state) {
    return until([&] { return supervision->state() == state; });
  }
  // A script that appends to "out", first "ready" once `traps` are set, and then waits for signals.
  LaunchOptions waiting(const std::string& traps) {
    return shell("exec >> " + (dir / "out") + "; " + traps + "; echo ready; while :; do sleep 0.01; done");
  }
};

TEST_CASE_METHOD(Fixture, "the first publication starts the child, later ones signal it") {
  Supervision& child = supervise(waiting("trap 'echo renewed' USR1"), SIGUSR1);
  CHECK(child.child_pid() == 0);
  child.published(1);
  const pid_t pid = child.child_pid();
  CHECK(pid > 0);
  REQUIRE(until_out("ready\n"));
  child.published(2);
  REQUIRE(until_out("ready\nrenewed\n"));
  CHECK(child.child_pid() == pid);
  child.terminate();
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(ended == 0);
  CHECK(child.ended());
  CHECK(log.has("\"msg\":\"child started\",\"command\":\"/bin/sh\",\"event\":\"child_started\",\"pid\":\"" +
                std::to_string(pid) + '"'));
  CHECK(log.has("\"event\":\"signalled\",\"pid\":\"" + std::to_string(pid) + "\",\"signal\":\"SIGUSR1\""));
}

TEST_CASE_METHOD(Fixture, "a signal waits for the child to be ready for it") {
  Supervision& child = supervise(waiting("sleep 0.15; trap 'echo renewed' USR1"), SIGUSR1);
  child.published(1);
  child.published(2);
  REQUIRE(until_out("ready\nrenewed\n"));
  CHECK_FALSE(log.has("does not handle"));
}

TEST_CASE_METHOD(Fixture, "a child killed by the renewal signal starts again at the next rotation") {
  Supervision& child = supervise(launch_options({"sleep", "60"}), SIGUSR1);
  child.published(1);
  const pid_t first = child.child_pid();
  ::kill(first, SIGUSR1);  // the guard would withhold it for ten seconds
  REQUIRE(until_state(State::gone));
  CHECK(log.has("child \\\"sleep\\\" (pid " + std::to_string(first) +
                ") was killed by SIGUSR1, the renew_signal; it starts again at the next rotation"));
  child.published(2);
  CHECK(child.state() == State::run);
  CHECK(child.child_pid() != first);
}

TEST_CASE_METHOD(Fixture, "an undelivered rotation is made up for by a new start") {
  Supervision& child = supervise(launch_options({"sleep", "60"}), SIGUSR1);
  child.published(1);
  const pid_t first = child.child_pid();
  child.published(2);  // withheld
  ::kill(first, SIGTERM);
  REQUIRE(until([&] { return child.child_pid() != first; }));
  CHECK(child.state() == State::run);
  CHECK(log.has("was killed by SIGTERM; it starts again now"));
}

TEST_CASE_METHOD(Fixture, "a child that ended just before the rotation is started, not signalled") {
  Supervision& child = supervise(shell("exit 3"), SIGWINCH);
  child.published(1);
  const pid_t first = child.child_pid();
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(first), &info, WEXITED | WNOWAIT) == 0);
  child.published(2);  // the loop has not run yet
  CHECK(child.state() == State::run);
  CHECK(child.child_pid() != first);
  CHECK(log.has("exited with code 3; it starts again at the next rotation"));
  CHECK(log.has("\"exit_code\":\"3\""));
  CHECK_FALSE(log.has("child signalled"));
}

TEST_CASE_METHOD(Fixture, "without a renewal signal a running child is left alone") {
  Supervision& child = supervise(launch_options({"sleep", "60"}));
  child.published(1);
  const pid_t pid = child.child_pid();
  child.published(2);
  child.published(3);
  CHECK(child.child_pid() == pid);
  CHECK_FALSE(log.has("signalled"));
}

TEST_CASE_METHOD(Fixture, "a child that ignores the stop signal is killed after the timeout") {
  Supervision& child = supervise(waiting("trap '' TERM"), 0, milliseconds(100));
  child.published(1);
  REQUIRE(until_out("ready\n"));
  child.terminate();
  CHECK(child.state() == State::stopping);
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(log.has("was killed by SIGKILL"));
}

TEST_CASE_METHOD(Fixture, "a second terminate kills at once") {
  Supervision& child = supervise(waiting("trap '' TERM"));
  child.published(1);
  REQUIRE(until_out("ready\n"));
  child.terminate();
  child.terminate();
  CHECK(child.state() == State::killing);
  REQUIRE(until([&] { return ended.has_value(); }));
}

TEST_CASE_METHOD(Fixture, "a stopped child is woken to end") {
  Supervision& child = supervise(launch_options({"sleep", "60"}));
  child.published(1);
  ::kill(child.child_pid(), SIGSTOP);
  child.terminate();
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(log.has("was killed by SIGTERM"));
}

TEST_CASE_METHOD(Fixture, "terminate ends at once where no child runs") {
  Supervision& child = supervise(shell("exit 0"));
  SECTION("before the first publication") {}
  SECTION("after the child has gone") {
    child.published(1);
    REQUIRE(until_state(State::gone));
  }
  child.terminate();
  CHECK(ended == 0);
}

TEST_CASE_METHOD(Fixture, "a command that cannot be started is tried again at the next rotation") {
  Supervision& child = supervise(launch_options({dir / "late"}));
  child.published(1);
  CHECK(child.state() == State::gone);
  CHECK(child.child_pid() == 0);
  CHECK(log.has("no such file or directory; it is tried again at the next rotation"));
  CHECK(log.has("\"event\":\"child_start_failed\""));
  static_cast<void>(dir.write("late", "#!/bin/sh\nexec sleep 60\n", 0755));
  child.published(2);
  CHECK(child.state() == State::run);
}

TEST_CASE_METHOD(Fixture, "a child without a pidfd is reaped when SIGCHLD says so") {
  Launcher launcher(shell("exit 5"));
  auto launched = launcher.launch();
  REQUIRE(launched);
  launched->pidfd.reset();
  Child child(loop(), std::move(*launched), [] { FAIL("nothing to watch"); });
  CHECK_FALSE(child.watched());
  std::optional<ExitStatus> status;
  REQUIRE(until([&] { return (status = child.reap()).has_value(); }));
  CHECK(*status == ExitStatus{.code = 5});
}

TEST_CASE_METHOD(Fixture, "a child that was reaped by somebody else has ended") {
  Launcher launcher(shell("exit 5"));
  Child child(loop(), std::move(launcher.launch().value()), [] {});
  wait_for(child.pid());
  CHECK(child.reap() == ExitStatus{.known = false});
  CHECK(child.signal(SIGTERM).error().sys == ESRCH);
}

TEST_CASE("an exit reads well") {
  CHECK(ExitStatus{.code = 3}.words() == "exited with code 3");
  CHECK(ExitStatus{.signal = SIGUSR1}.words() == "was killed by SIGUSR1");
  CHECK(ExitStatus{.signal = SIGSEGV, .core_dumped = true}.words() == "was killed by SIGSEGV (core dumped)");
  CHECK(ExitStatus{.signal = SIGKILL}.shell_code() == 137);
  CHECK(ExitStatus{.code = 3}.shell_code() == 3);
}

TEST_CASE("a process handles what it catches or ignores") {
  const std::string status =
      "Name:\tx\nSigPnd:\t0000000000000200\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n"
      "SigCgt:\t0000000000000002\n";
  CHECK(signal_use(status, SIGHUP) == SignalUse::blocked);
  CHECK(signal_use(status, SIGPIPE) == SignalUse::handled);
  CHECK(signal_use(status, SIGINT) == SignalUse::handled);
  CHECK(signal_use(status, SIGUSR1) == SignalUse::none);  // pending is not handled
  CHECK(signal_use(status, SIGRTMAX) == SignalUse::none);
  CHECK(signal_use("Name:\tx\n", SIGUSR1) == SignalUse::handled);  // nothing known
  CHECK(signal_use(::getpid(), SIGUSR1) == SignalUse::none);
}

}  // namespace
}  // namespace spiffe::process
