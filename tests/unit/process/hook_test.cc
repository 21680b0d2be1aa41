#include "process/hook.hh"

#include <algorithm>

#include "processes.hh"

namespace spiffe::process {
namespace {

using std::chrono::milliseconds;

constexpr Changes kX509Changed{.x509 = true};
constexpr Changes kJwtChanged{.jwt = true};

struct HookFixture : LoopFixture {
  TempDir dir;
  CapturedLog log{dir};
  std::optional<int> ended;
  std::vector<std::string> results;
  std::unique_ptr<Hook> held;

  ~HookFixture() {
    if (held && held->pid() > 0) {
      ::kill(-held->pid(), SIGKILL);
      ::waitpid(held->pid(), nullptr, 0);
    }
  }

  static Hook::Options options(LaunchOptions launch) {
    return {.name = "renew_cmd", .launch = std::move(launch), .cert_dir = "/certs"};
  }
  Hook& renew(Hook::Options with) {
    with.launch.env.push_back("DIR=" + dir.path());
    with.on_result = [this](const Hook::Result& result) {
      results.push_back((result.succeeded ? "good" : result.words) + (result.overtaken ? ", overtaken" : ""));
    };
    auto made = Hook::create(loop(), std::move(with), [this](int code) { ended = code; });
    REQUIRE(made);
    held = std::move(*made);
    return *held;
  }
  Hook& renew(const std::string& script) { return renew(options(shell("cd $DIR; " + script))); }
  // Releases runs that wait for the file "go".
  void go() { static_cast<void>(dir.write("go", "")); }
  bool until_state(HookSchedule::State state) {
    return until([&] { return held->state() == state; });
  }
  bool until_out(const std::string& text) {
    return until([&] { return out() == text; });
  }
  std::string out() const { return read_all(dir / "out"); }
  std::size_t count(std::string_view part) const {
    const std::string text = log.text();
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
  }
};

const std::string kWait = "while [ ! -e go ]; do sleep 0.01; done; ";
const std::string kLine = "\"msg\":\"renew_cmd: ";

TEST_CASE_METHOD(HookFixture,
                 "renew_cmd gets the changes and cert_dir in its environment, and an empty stdin") {
  Hook::Options with =
      options(shell("{ echo $SPIFFE_HELPER_CHANGED in $SPIFFE_HELPER_CERT_DIR; wc -c; env | grep -c "
                    "^SPIFFE_HELPER_; } > $DIR/out"));
  with.launch.env.emplace_back("SPIFFE_HELPER_CHANGED=of an outer helper");
  with.launch.env.emplace_back("SPIFFE_HELPER_CERT_DIR=/elsewhere");
  Hook& command = renew(std::move(with));
  CHECK(command.state() == HookSchedule::State::idle);
  command.published({.x509 = true, .bundle = true});
  CHECK(::getpgid(command.pid()) == command.pid());
  REQUIRE(until_state(HookSchedule::State::idle));
  CHECK(out() == "x509,bundle in /certs\n0\n2\n");
  CHECK(log.has("\"msg\":\"renew_cmd succeeded\""));
  CHECK_FALSE(ended);
}

TEST_CASE_METHOD(HookFixture, "the output of a run is logged line by line, also without a final newline") {
  Hook& command = renew("echo one; echo two >&2; printf 'bad \\033[31m\\tthree'");
  command.published(kX509Changed);
  REQUIRE(until_state(HookSchedule::State::idle));
  CHECK(log.has(kLine + "one\""));
  CHECK(log.has(kLine + "two\""));
  CHECK(log.has(kLine + "bad \\u001b[31m\\u0009three\""));
}

TEST_CASE_METHOD(HookFixture, "several publications during a run cause one more run") {
  Hook& command = renew("echo $SPIFFE_HELPER_CHANGED >> out; " + kWait);
  command.published(kX509Changed);
  const pid_t first = command.pid();
  REQUIRE(until_out("x509\n"));
  for (int i = 0; i < 5; ++i) command.published(kJwtChanged);
  command.published(kX509Changed);
  CHECK(command.pid() == first);
  go();
  REQUIRE(until_state(HookSchedule::State::idle));
  CHECK(out() == "x509\nx509,jwt\n");
  CHECK(results == std::vector<std::string>{"good, overtaken", "good"});
}

TEST_CASE_METHOD(HookFixture, "a run that has just ended does not delay the next one") {
  Hook& command = renew("exit 0");
  command.published(kX509Changed);
  const pid_t first = command.pid();
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(first), &info, WEXITED | WNOWAIT) == 0);
  command.published(kX509Changed);  // the loop has not run yet
  CHECK(command.state() == HookSchedule::State::run);
  CHECK(command.pid() != first);
}

TEST_CASE_METHOD(HookFixture, "a failed run is repeated until it succeeds") {
  Hook::Options with =
      options(shell("cd $DIR; echo $SPIFFE_HELPER_CHANGED >> out; [ $(wc -l < out) = 2 ] || exit 3"));
  with.consequence = [] { return "nobody knows"; };
  Hook& command = renew(std::move(with));
  command.published(kX509Changed);
  REQUIRE(until_state(HookSchedule::State::backoff));
  CHECK(log.has(
      R"("msg":"renew_cmd exited with code 3; nobody knows","command":"/bin/sh","event":"renew_cmd_failed",)"
      R"("exit_code":"3","hint":"its output is above; to run it by hand set SPIFFE_HELPER_CERT_DIR=/certs",)"
      R"("retry_in":"1s")"));
  REQUIRE(until_state(HookSchedule::State::idle));
  CHECK(out() == "x509\nx509\n");
  CHECK(results == std::vector<std::string>{"exited with code 3", "good"});
}

TEST_CASE_METHOD(HookFixture,
                 "a newer publication does not wait for the retry, and includes the failed run's changes") {
  Hook& command = renew("echo $SPIFFE_HELPER_CHANGED >> out; [ $(wc -l < out) = 2 ]");
  command.published(kX509Changed);
  REQUIRE(until_state(HookSchedule::State::backoff));
  command.published(kJwtChanged);
  CHECK(command.state() == HookSchedule::State::run);
  REQUIRE(until_state(HookSchedule::State::idle));
  CHECK(out() == "x509\nx509,jwt\n");
}

TEST_CASE_METHOD(HookFixture, "a missing command is a failure like any other") {
  Hook& command = renew(options(launch_options({"no-such-command"})));
  command.published(kX509Changed);
  CHECK(command.state() == HookSchedule::State::backoff);
  CHECK(log.has("renew_cmd cannot be started: \\\"no-such-command\\\": not found in"));
  CHECK(log.has("\"hint\":\"give the whole path"));
  command.stop();
  CHECK(ended == 0);
}

TEST_CASE_METHOD(HookFixture, "a run that takes too long is ended with its whole group") {
  Hook::Options with =
      options(shell("cd $DIR; (trap '' TERM; echo $$ > deaf; exec sleep 60) & "
                    "while [ ! -s deaf ]; do sleep 0.01; done; echo $! > out; "
                    "exec sleep 60"));
  with.timeout = milliseconds(300);
  Hook& command = renew(std::move(with));
  command.published(kX509Changed);
  REQUIRE(until([&] { return !out().empty(); }));
  const pid_t deaf = std::stoi(out());
  CHECK(alive(deaf));
  REQUIRE(until_state(HookSchedule::State::backoff));
  CHECK(log.has("renew_cmd took longer than 300ms and was killed by SIGTERM"));
  CHECK(until([&] { return !alive(deaf); }));
}

TEST_CASE_METHOD(HookFixture, "a run that ended in time although its timer is over waits for its retry") {
  Hook::Options with = options(shell("echo run >> $DIR/out; sleep 0.1; exit 3"));
  with.timeout = milliseconds(20);
  Hook& command = renew(std::move(with));
  command.published(kX509Changed);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(command.pid()), &info, WEXITED | WNOWAIT) == 0);
  REQUIRE(
      until([&] { return command.state() != HookSchedule::State::run || log.has("exited with code 3"); }));
  CHECK(command.state() == HookSchedule::State::backoff);
  CHECK(out() == "run\n");
}

TEST_CASE_METHOD(HookFixture, "a stopped run is continued so that it can end") {
  Hook& command = renew("echo x > out; kill -STOP $$");
  command.published(kX509Changed);
  REQUIRE(until_out("x\n"));
  command.stop("there is another one");
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(log.has("renew_cmd was killed by SIGTERM, because there is another one"));
}

TEST_CASE_METHOD(HookFixture, "a process left behind does not keep a run from ending, and can still write") {
  Hook& command = renew("echo first; (" + kWait + "echo late; echo $? > out) & exit 0");
  command.published(kX509Changed);
  REQUIRE(until_state(HookSchedule::State::idle));
  CHECK(log.has(kLine + "first\""));
  go();
  REQUIRE(until_out("0\n"));
  REQUIRE(until([&] { return log.has(kLine + "late\""); }));
}

TEST_CASE_METHOD(HookFixture, "a flood of lines does not flood the log") {
  Hook& command = renew("yes | head -n 200000; echo end >&2; exit 1");
  command.published(kX509Changed);
  REQUIRE(until_state(HookSchedule::State::backoff));
  CHECK(count(kLine + "y\"") == LineCutter::kMaxLines);
  CHECK(log.has("renew_cmd: 199901 more lines"));
}

TEST_CASE_METHOD(HookFixture, "a command that never stops writing blocks neither the loop nor its own end") {
  Hook& command = renew("timeout 10 yes & echo $! > out; sleep 0.2");
  command.published(kX509Changed);
  REQUIRE(until_state(HookSchedule::State::idle));
  const pid_t yes = std::stoi(out());
  CHECK(alive(yes));
  command.published(kX509Changed);
  REQUIRE(until_state(HookSchedule::State::idle));
  CHECK(count(kLine + "y\"") <= 4 * LineCutter::kMaxLines);  // from two runs, and after each of them
  ::kill(yes, SIGTERM);
  ::kill(std::stoi(out()), SIGTERM);
}

TEST_CASE_METHOD(HookFixture, "stop ends at once if there is no run") {
  Hook& command = renew("exit 0");
  command.stop();
  CHECK(ended == 0);
  CHECK(command.ended());
  command.published(kX509Changed);
  CHECK(command.pid() == 0);
}

TEST_CASE_METHOD(HookFixture, "stop asks a run to end and starts no other") {
  Hook& command = renew("echo run >> out; trap 'echo end >> out; exit 0' TERM; " + kWait);
  command.published(kX509Changed);
  REQUIRE(until_out("run\n"));
  command.published(kX509Changed);
  command.stop();
  CHECK_FALSE(ended);
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(ended == 0);
  CHECK(command.pid() == 0);
  CHECK(out() == "run\nend\n");
  CHECK(results.empty());  // the run was cut short
}

TEST_CASE_METHOD(HookFixture, "a second stop kills the run") {
  Hook& command = renew("trap '' TERM; echo run >> out; " + kWait);
  command.published(kX509Changed);
  REQUIRE(until_out("run\n"));
  command.stop();
  CHECK(command.state() == HookSchedule::State::stopping);
  command.stop();
  CHECK(command.state() == HookSchedule::State::killing);
  REQUIRE(until([&] { return ended.has_value(); }));
  CHECK(log.has("renew_cmd was killed by SIGKILL, because the helper ends"));
}

TEST_CASE_METHOD(HookFixture, "SIGCHLD is sufficient without a pidfd") {
  Hook& command = renew("exit 5");
  command.published(kX509Changed);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(command.pid()), &info, WEXITED | WNOWAIT) == 0);
  command.child_changed();
  CHECK(command.state() == HookSchedule::State::backoff);
  CHECK(command.pid() == 0);
}

TEST_CASE_METHOD(HookFixture, "with once, the first run gives the exit code") {
  const auto code_of = [this](LaunchOptions launch, milliseconds timeout = milliseconds(30'000)) {
    ended.reset();
    Hook::Options with = options(std::move(launch));
    with.timeout = timeout;
    with.once = true;
    renew(std::move(with)).published(kX509Changed);
    REQUIRE(until([&] { return ended.has_value(); }));
    return *ended;
  };
  CHECK(code_of(shell("exit 0")) == 0);
  CHECK(code_of(shell("exit 3")) == 3);
  CHECK(code_of(shell("kill -KILL $$")) == 137);
  CHECK(code_of(launch_options({"no-such-command"})) == 127);
  CHECK(code_of(launch_options({"/etc/passwd"})) == 126);
  CHECK(code_of(shell("trap 'exit 0' TERM; while :; do sleep 0.01; done"), milliseconds(300)) == 1);
}

TEST_CASE_METHOD(HookFixture, "forty publications leave no descriptor open") {
  const auto descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  Hook& command = renew("sleep 0.01 & exit 0");
  const auto before = descriptors();
  for (int i = 0; i < 40; ++i) {
    command.published(kX509Changed);
    REQUIRE(until_state(HookSchedule::State::idle));
  }
  CHECK(descriptors() == before);
}

}  // namespace
}  // namespace spiffe::process
