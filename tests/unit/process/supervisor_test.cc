#include "process/supervisor.hh"

#include "processes.hh"

namespace spiffe::process {
namespace {

using std::chrono::milliseconds;

struct SupervisorFixture : LoopFixture {
  TempDir dir;
  CapturedLog log{dir};
  std::optional<int> ended;
  std::unique_ptr<Supervisor> supervisor;

  ~SupervisorFixture() {
    if (supervisor && supervisor->child_pid() > 0) {
      ::kill(supervisor->child_pid(), SIGKILL);
      ::waitpid(supervisor->child_pid(), nullptr, 0);
    }
  }

  Supervisor& supervise(LaunchOptions launch, int renew_signal = 0,
                        milliseconds stop_timeout = milliseconds(5000)) {
    return supervise({.launch = std::move(launch),
                      .policy = {.on_rotate = renew_signal == 0 ? OnRotate::none : OnRotate::signal,
                                 .stop_timeout = stop_timeout},
                      .renew_signal = renew_signal});
  }
  Supervisor& supervise(Supervisor::Options options) {
    supervisor = std::make_unique<Supervisor>(loop(), std::move(options), [this](int code) { ended = code; });
    return *supervisor;
  }
  // The output of the child, in the file "out".
  std::string out() const { return read_all(dir / "out"); }
  bool until_out(const std::string& text) {
    return until([&] { return out() == text; });
  }
  bool until_state(State state) {
    return until([&] { return supervisor->state() == state; });
  }
  // A script that appends to "out", first "ready" once `traps` are set, and then waits for signals.
  LaunchOptions waiting(const std::string& traps) {
    return shell("exec >> " + (dir / "out") + "; " + traps + "; echo ready; while :; do sleep 0.01; done");
  }
};

TEST_CASE_METHOD(SupervisorFixture, "the first publication starts the child, later ones signal it") {
  Supervisor& child = supervise(waiting("trap 'echo renewed' USR1"), SIGUSR1);
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

TEST_CASE_METHOD(SupervisorFixture, "a signal waits until the child is ready for it") {
  Supervisor& child = supervise(waiting("sleep 0.15; trap 'echo renewed' USR1"), SIGUSR1);
  child.published(1);
  child.published(2);
  REQUIRE(until_out("ready\nrenewed\n"));
  CHECK_FALSE(log.has("does not handle"));
}

TEST_CASE_METHOD(SupervisorFixture,
                 "a child killed by the renewal signal starts again at the next rotation") {
  Supervisor& child = supervise(launch_options({"sleep", "60"}), SIGUSR1);
  child.published(1);
  const pid_t first = child.child_pid();
  ::kill(first, SIGUSR1);  // sent directly, because the guard would withhold it for ten seconds
  REQUIRE(until_state(State::gone));
  CHECK(log.has("child \\\"sleep\\\" (pid " + std::to_string(first) +
                ") was killed by SIGUSR1, the renew_signal; it starts again at the next rotation"));
  child.published(2);
  CHECK(child.state() == State::run);
  CHECK(child.child_pid() != first);
}

TEST_CASE_METHOD(SupervisorFixture, "a new start replaces an undelivered rotation") {
  Supervisor& child = supervise(launch_options({"sleep", "60"}), SIGUSR1);
  child.published(1);
  const pid_t first = child.child_pid();
  child.published(2);  // the signal waits
  ::kill(first, SIGTERM);
  REQUIRE(until([&] { return child.child_pid() != first; }));
  CHECK(child.state() == State::run);
  CHECK(log.has("was killed by SIGTERM; it starts again now"));
}

TEST_CASE_METHOD(SupervisorFixture, "a child that ended just before the rotation is started, not signalled") {
  Supervisor& child = supervise(shell("exit 3"), SIGWINCH);
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

TEST_CASE_METHOD(SupervisorFixture, "without a renewal signal, a running child is not notified") {
  Supervisor& child = supervise(launch_options({"sleep", "60"}));
  child.published(1);
  const pid_t pid = child.child_pid();
  child.published(2);
  child.published(3);
  CHECK(child.child_pid() == pid);
  CHECK_FALSE(log.has("signalled"));
}

TEST_CASE_METHOD(SupervisorFixture, "a child that ignores the stop signal is killed after the timeout") {
  Supervisor& child = supervise(waiting("trap '' TERM"), 0, milliseconds(100));
  child.published(1);
  REQUIRE(until_out("ready\n"));
  child.terminate();
  CHECK(child.state() == State::stopping);
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(log.has("was killed by SIGKILL"));
}

TEST_CASE_METHOD(SupervisorFixture, "a second terminate kills at once") {
  Supervisor& child = supervise(waiting("trap '' TERM"));
  child.published(1);
  REQUIRE(until_out("ready\n"));
  child.terminate();
  child.terminate();
  CHECK(child.state() == State::killing);
  REQUIRE(until([&] { return ended.has_value(); }));
}

TEST_CASE_METHOD(SupervisorFixture, "a stopped child is continued so that it can end") {
  Supervisor& child = supervise(launch_options({"sleep", "60"}));
  child.published(1);
  ::kill(child.child_pid(), SIGSTOP);
  child.terminate();
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(log.has("was killed by SIGTERM"));
}

TEST_CASE_METHOD(SupervisorFixture, "terminate ends at once if no child runs") {
  Supervisor& child = supervise(shell("exit 0"));
  SECTION("before the first publication") {}
  SECTION("after the child has gone") {
    child.published(1);
    REQUIRE(until_state(State::gone));
  }
  child.terminate();
  CHECK(ended == 0);
}

TEST_CASE_METHOD(SupervisorFixture, "a command that cannot be started is tried again at the next rotation") {
  Supervisor& child = supervise(launch_options({dir / "late"}));
  child.published(1);
  CHECK(child.state() == State::gone);
  CHECK(child.child_pid() == 0);
  CHECK(log.has("no such file or directory; it is tried again at the next rotation"));
  CHECK(log.has("\"event\":\"child_start_failed\""));
  static_cast<void>(dir.write("late", "#!/bin/sh\nexec sleep 60\n", 0755));
  child.published(2);
  CHECK(child.state() == State::run);
}

struct WrapFixture : SupervisorFixture {
  Supervisor& wrap(LaunchOptions launch, ChildMachine::Policy policy = {}, int renew_signal = 0) {
    launch.own_group = true;
    policy.wrap = true;
    if (renew_signal != 0) policy.on_rotate = OnRotate::signal;
    Supervisor& child =
        supervise({.launch = std::move(launch), .policy = policy, .renew_signal = renew_signal});
    child.published(1);
    return child;
  }
};

TEST_CASE_METHOD(WrapFixture, "the end of a wrapped child ends the helper") {
  SECTION("by its code") {
    wrap(shell("exit 7"));
    REQUIRE(until([&] { return ended.has_value(); }));
    CHECK(ended == 7);
  }
  SECTION("by a signal") {
    wrap(shell("kill -KILL $$"));
    REQUIRE(until([&] { return ended.has_value(); }));
    CHECK(ended == 137);
  }
  SECTION("not found") {
    wrap(launch_options({dir / "nothing"}));
    CHECK(ended == 127);
    CHECK(log.has("no such file or directory\""));
  }
  SECTION("not executable") {
    wrap(launch_options({dir.write("data", "x", 0644)}));
    CHECK(ended == 126);
  }
}

TEST_CASE_METHOD(WrapFixture, "a wrapped child that obeys the stop signal determines the exit code") {
  Supervisor& child = wrap(waiting("trap 'exit 3' TERM"));
  REQUIRE(until_out("ready\n"));
  child.terminate(SIGTERM);
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(ended == 3);
}

TEST_CASE_METHOD(WrapFixture, "a child that ignores signals is killed with its whole group") {
  Supervisor& child = wrap(waiting("trap '' TERM; sleep 600 & echo $! > " + (dir / "grandchild")),
                           {.stop_timeout = milliseconds(100)});
  REQUIRE(until_out("ready\n"));
  const pid_t grandchild = std::stoi(read_all(dir / "grandchild"));
  child.terminate(SIGTERM);
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(ended == 137);
  // Its new parent may take a moment to reap it.
  CHECK(until([&] {
    const std::string stat = read_all("/proc/" + std::to_string(grandchild) + "/stat");
    return stat.empty() || stat.contains(") Z ");
  }));
}

TEST_CASE_METHOD(WrapFixture, "signals are passed on to a wrapped child") {
  Supervisor& child = wrap(waiting("trap 'echo usr2' USR2; trap 'echo hup' HUP"));
  REQUIRE(until_out("ready\n"));
  child.forward(SIGUSR2);
  REQUIRE(until_out("ready\nusr2\n"));
  child.forward(SIGHUP);
  REQUIRE(until_out("ready\nusr2\nhup\n"));
}

TEST_CASE_METHOD(WrapFixture, "a wrapped child that fails is started again after a while") {
  wrap(shell("echo started >> " + (dir / "out") + "; exit 3"), {.restart = Restart::on_failure});
  REQUIRE(until_state(State::backoff));
  CHECK(log.has("exited with code 3; it starts again in "));
  REQUIRE(until_out("started\nstarted\n"));
}

TEST_CASE_METHOD(WrapFixture, "a shortage of resources does not end a wrapped child") {
  LaunchOptions launch = launch_options({"sleep", "60"});
  launch.own_group = true;
  supervise({.launch = std::move(launch), .policy = {.wrap = true}});
  {
    const NoDescriptors shortage;
    supervisor->published(1);
    CHECK(supervisor->state() == State::backoff);
  }
  CHECK(log.has(
      "\"level\":\"error\",\"msg\":\"cannot start child \\\"sleep\\\": too many open files; it is tried "
      "again in "));
  REQUIRE(until_state(State::run));
  CHECK(supervisor->child_pid() > 0);
}

// A child that kills itself and leaves a process in its group, whose pid is in "rest". The next child stays.
struct RestFixture : WrapFixture {
  LaunchOptions leaving(const std::string& left, const std::string& before = "") {
    LaunchOptions launch = shell("cd " + dir.path() + "; test -e rest && exec sleep 600; " + before +
                                 " sh -c '" + left + "; echo $$ > rest; while :; do sleep 0.01; done' & " +
                                 "until test -s rest; do sleep 0.01; done; kill -KILL $$");
    launch.own_group = true;
    return launch;
  }
  pid_t rest() const { return std::stoi(read_all(dir / "rest")); }
};

TEST_CASE_METHOD(RestFixture, "remaining members of the child's group are ended before the next start") {
  SECTION("by the stop signal, in wrap mode") {
    wrap(leaving("trap \"echo told > told; exit\" TERM"), {.restart = Restart::always});
    REQUIRE(until_state(State::backoff));
    CHECK(alive(rest()));  // it may serve until then
    REQUIRE(until_state(State::run));
    CHECK(read_all(dir / "told") == "told\n");
  }
  SECTION("by SIGKILL, in job mode") {
    Supervisor& child =
        supervise({.launch = leaving("trap : TERM"), .policy = {.stop_timeout = milliseconds(50)}});
    child.published(1);
    REQUIRE(until_state(State::gone));
    CHECK(alive(rest()));
    child.published(2);
    CHECK(supervisor->state() == State::clearing);
    CHECK(child.child_pid() == 0);
    REQUIRE(until_state(State::run));
    CHECK(log.has(" left processes of its group that have not ended: killed"));
  }
  CHECK_FALSE(alive(rest()));
  CHECK(log.has(" left processes of its group: stopping them"));
  CHECK(log.has("\"pids\":\"" + std::to_string(rest())));
}

TEST_CASE_METHOD(RestFixture, "remaining members of the child's group are ended with the helper") {
  SECTION("because a wrapped child has ended for good") {
    wrap(leaving("true"));
  }
  SECTION("because we are asked to end") {
    Supervisor& child = supervise({.launch = leaving("true"), .policy = {}});
    child.published(1);
    REQUIRE(until_state(State::gone));
    child.terminate(SIGTERM);
  }
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK_FALSE(alive(rest()));
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);  // and the child is reaped
}

TEST_CASE_METHOD(RestFixture, "a process with a session of its own is not ended") {
  wrap(leaving("true", "setsid"));
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(alive(rest()));
  ::kill(-rest(), SIGKILL);
}

TEST_CASE_METHOD(RestFixture, "with leave_at_end, remaining members of the group are left running") {
  LaunchOptions launch = leaving("true");
  Supervisor& child = supervise({.launch = std::move(launch), .policy = {.leave_at_end = true}});
  child.published(1);
  REQUIRE(until_state(State::gone));
  child.terminate(SIGTERM);
  CHECK(ended == 0);
  CHECK(alive(rest()));
  ::kill(rest(), SIGKILL);
}

TEST_CASE_METHOD(SupervisorFixture, "a child that is not started in time ends the helper") {
  Supervisor& child = supervise({.launch = shell("exit 0"), .policy = {.start_timeout = milliseconds(50)}});
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(ended == 1);
  CHECK(child.child_pid() == 0);
  CHECK(log.has("start_timed_out"));
}

TEST_CASE_METHOD(SupervisorFixture, "a child may be left running") {
  LaunchOptions launch = waiting("trap 'echo told' TERM");
  launch.die_with_parent = false;
  Supervisor& child = supervise({.launch = std::move(launch), .policy = {.leave_at_end = true}});
  child.published(1);
  REQUIRE(until_out("ready\n"));
  const pid_t pid = child.child_pid();
  child.terminate();
  CHECK(ended == 0);
  CHECK(::kill(pid, 0) == 0);
  CHECK(out() == "ready\n");
  ::kill(pid, SIGKILL);
  wait_for(pid);
}

TEST_CASE_METHOD(SupervisorFixture, "another command replaces the child, other settings do not") {
  Supervisor& child = supervise(waiting("trap 'echo renewed' USR1"), SIGUSR1);
  child.published(1);
  REQUIRE(until_out("ready\n"));
  const pid_t pid = child.child_pid();
  SECTION("another signal") {
    child.reconfigure({.launch = waiting("trap 'echo renewed' USR1"),
                       .policy = {.on_rotate = OnRotate::signal},
                       .renew_signal = SIGWINCH});
    child.published(2);
    CHECK(child.child_pid() == pid);
    CHECK(log.has("\"signal\":\"SIGWINCH\""));
  }
  SECTION("another environment counts from the next start") {
    LaunchOptions launch = waiting("trap 'echo renewed' USR1");
    launch.env.push_back("MINE=new");
    child.reconfigure({.launch = std::move(launch), .policy = {}});
    CHECK(child.child_pid() == pid);
    child.reconfigure({.launch = waiting("echo $MINE"), .policy = {}});
    REQUIRE(until_out("ready\n\nready\n"));
  }
  SECTION("another command") {
    child.reconfigure({.launch = waiting("echo other"), .policy = {}});
    REQUIRE(until_out("ready\nother\nready\n"));
    CHECK(child.child_pid() != pid);
  }
}

TEST_CASE_METHOD(SupervisorFixture, "a child without a pidfd is reaped at SIGCHLD") {
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

TEST_CASE_METHOD(SupervisorFixture, "a child reaped by another part of the process has ended") {
  Launcher launcher(shell("exit 5"));
  Child child(loop(), std::move(launcher.launch().value()), [] {});
  wait_for(child.pid());
  CHECK(child.reap() == ExitStatus{.known = false});
  CHECK(child.signal(SIGTERM).error().sys == ESRCH);
}

TEST_CASE("exits are described in words") {
  CHECK(ExitStatus{.code = 3}.words() == "exited with code 3");
  CHECK(ExitStatus{.signal = SIGUSR1}.words() == "was killed by SIGUSR1");
  CHECK(ExitStatus{.signal = SIGSEGV, .core_dumped = true}.words() == "was killed by SIGSEGV (core dumped)");
  CHECK(ExitStatus{.signal = SIGKILL}.shell_code() == 137);
  CHECK(ExitStatus{.code = 3}.shell_code() == 3);
}

}  // namespace
}  // namespace spiffe::process
