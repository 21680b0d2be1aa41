#include "process/pid_signal.hh"

#include <array>
#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "process/proc.hh"
#include "programs.hh"

namespace spiffe::process {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

struct Files {
  TempDir dir;

  PidSignal signal(bool check = true) { return {dir / "pid", SIGUSR1, check}; }
  Refusal refusal(PidSignal& signal) {
    const auto sent = signal.send();
    REQUIRE_FALSE(sent);
    return sent.error();
  }
  // The reason why the first signal is refused, for a file with this text.
  std::string refused(const std::string& text, bool check = true) {
    static_cast<void>(dir.write("pid", text));
    PidSignal first = signal(check);
    return refusal(first).error.message;
  }
  std::string path() const { return dir / "pid"; }
  void written(std::chrono::seconds ago) const {
    std::filesystem::last_write_time(path(), std::filesystem::file_time_type::clock::now() - ago);
  }
};

TEST_CASE("a PID file is parsed as Go does it") {
  CHECK(parse_pid("123", 7) == 123);
  CHECK(parse_pid(" \t\r\n\v\f123 \t\r\n\v\f", 7) == 123);
  CHECK(parse_pid("+123", 7) == 123);
  CHECK(parse_pid("00123\n", 7) == 123);
  CHECK(parse_pid("1", 7) == 1);
  CHECK(parse_pid("2147483647", 7) == 2147483647);
}

TEST_CASE("only the first line of a PID file counts") {
  CHECK(parse_pid("123\n/data\n1700000000\n5432\n/run\nlocalhost\n  5432001  98304\nready   \n", 7) == 123);
  CHECK(parse_pid("123\r\n/data\r\n", 7) == 123);
  CHECK(parse_pid("\n \t\r\n 123 \nrubbish", 7) == 123);
  CHECK(parse_pid("-123\n/data\n", 7).error().message == "\"-123\" is not the number of a process");
  CHECK(parse_pid("7\n8\n", 7).error().message == "\"7\" is the helper itself");
}

TEST_CASE("text that is not a pid is refused") {
  const auto why = [](std::string_view text) { return parse_pid(text, 7).error().message; };
  CHECK(why("") == "it is empty");
  CHECK(why(" \n") == "it is empty");
  CHECK(why("0") == "\"0\" is not the number of a process");
  CHECK(why("-1\n") == "\"-1\" is not the number of a process");
  CHECK(why("2147483648") == "\"2147483648\" is not the number of a process");
  CHECK(why("18446744073709551616") == "\"18446744073709551616\" is not the number of a process");
  CHECK(why("7\n") == "\"7\" is the helper itself");
  const std::vector<std::string_view> all = {"abc",
                                             "12x",
                                             "1 2",
                                             "12 /data\n",
                                             "/data\n12\n",
                                             "0x10",
                                             "1_0",
                                             "1.0",
                                             "+-5",
                                             "++5",
                                             "+",
                                             "-",
                                             "12\0"sv,
                                             "\xef\xbb\xbf"
                                             "12"};
  for (const std::string_view rubbish : all) {
    CAPTURE(rubbish);
    CHECK(why(rubbish).ends_with("\" is not a number"));
  }
  CHECK(why("\x1b[2J") == "\"\\x1b[2J\" is not a number");
  CHECK(why(std::string(4000, 'x')) == '"' + std::string(40, 'x') + "\"… is not a number");
}

TEST_CASE("a process that started long after the file was written is a different one") {
  const WallTime written = wall_now();
  const auto started = [&](std::chrono::nanoseconds late, bool before = false) {
    return judge({.started = written + late, .written = written, .signalled_before = before}, SIGHUP);
  };
  CHECK(started(-24h));
  CHECK(started(0s));
  CHECK(started(5s));
  CHECK(started(5s + 1ns).error().error.message ==
        "it started 5s after the file was written: the number now belongs to another process");
  CHECK(started(5s + 1ns).error().error.hint == "pid_file_check = false signals whatever has the number");
  CHECK(started(6s).error().cause == RefusalCause::judged);
  CHECK(started(24h, true));  // the clock was set, or the file touched
  CHECK(judge({.started = std::nullopt, .written = written}, SIGHUP));
}

TEST_CASE("a process must be ready for a signal that would end it") {
  const auto good = [](SignalUse use, int signo, bool before = false) {
    return judge({.use = use, .started = {}, .written = {}, .signalled_before = before}, signo);
  };
  CHECK(good(SignalUse::handled, SIGHUP));
  CHECK(good(SignalUse::none, SIGHUP).error().error.message ==
        "it does not catch SIGHUP, which would end it");
  CHECK_FALSE(good(SignalUse::none, SIGHUP).error().usual);
  CHECK(good(SignalUse::none, SIGHUP).error().cause == RefusalCause::not_caught);
  CHECK_FALSE(good(SignalUse::none, SIGHUP, true));  // it may have executed another program
  CHECK_FALSE(good(SignalUse::none, SIGRTMIN + 1));
  CHECK(good(SignalUse::none, SIGWINCH));
  for (const int signo : {SIGKILL, SIGTERM, SIGINT}) CHECK(good(SignalUse::none, signo));  // intended
}

TEST_CASE("an ignored signal waits while the process starts, or may start again because of the last signal") {
  const auto ignored = [](std::chrono::nanoseconds settled_for, int signo = SIGHUP) {
    return judge({.use = SignalUse::ignored, .started = {}, .written = {}, .settled_for = settled_for},
                 signo);
  };
  CHECK(ignored(9s).error().error.message == "it ignores SIGHUP, perhaps for a moment only");
  CHECK(ignored(9s).error().usual);
  CHECK(ignored(10s));
  CHECK(ignored(0s, SIGWINCH));
  CHECK(judge({.use = SignalUse::ignored, .started = {}, .written = {}}, SIGHUP));  // nothing is known
}

TEST_CASE("a blocked signal is checked twice, unless the process was signalled before") {
  const auto blocked = [](std::chrono::nanoseconds for_, bool before = false) {
    return judge({.use = SignalUse::blocked,
                  .started = {},
                  .written = {},
                  .signalled_before = before,
                  .blocked_for = for_},
                 SIGHUP);
  };
  CHECK(blocked(0ms).error().error.message == "it blocks SIGHUP, perhaps for a moment only");
  CHECK(blocked(0ms).error().usual);
  CHECK_FALSE(blocked(99ms));
  CHECK(blocked(100ms));
  CHECK(blocked(0ms, true));
}

TEST_CASE("a blocked signal waits if the process caught the last one, which may have started it again") {
  const auto caught = [](std::chrono::nanoseconds settled_for) {
    return judge({.use = SignalUse::blocked,
                  .started = {},
                  .written = {},
                  .signalled_before = true,
                  .caught_before = true,
                  .settled_for = settled_for,
                  .blocked_for = 5s},
                 SIGHUP);
  };
  CHECK(caught(9s).error().usual);
  CHECK(caught(10s));
}

TEST_CASE("the start time of a process is read from /proc") {
  const std::string stat =
      "12 (a) (b c) S 1 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 2228224 64 18446744073709551615\n";
  CHECK(start_time(stat) == BootTime(1234560ms));
  CHECK_FALSE(start_time("12 (x) S 1 12"));
  CHECK_FALSE(start_time(""));
  CHECK_FALSE(start_time(pid_t{-5}));

  const TempDir dir;
  const BootTime before = BootClock::now();
  const Program program(dir, kCatching);
  const auto started = start_time(program.pid());
  REQUIRE(started);
  CHECK(*started >= before - 20ms);  // start times have the resolution of a clock tick
  CHECK(*started <= BootClock::now());
}

TEST_CASE_METHOD(Files, "the right process is signalled every time") {
  Program program(dir, kCatching);
  const bool check = GENERATE(true, false);
  static_cast<void>(dir.write("pid", program.number() + '\n'));
  PidSignal pid_signal = signal(check);
  std::string said = "ready\n";
  for (int i = 0; i < 5; ++i) {
    REQUIRE(pid_signal.send() == program.pid());
    REQUIRE(program.says(said += "renewed\n"));
  }
}

TEST_CASE_METHOD(Files, "a symbolic link to the PID file is followed") {
  Program program(dir, kCatching);
  static_cast<void>(dir.write("real", program.number()));
  std::filesystem::create_symlink("real", path());
  CHECK(signal().send() == program.pid());
}

TEST_CASE_METHOD(Files, "invalid pids in a PID file are refused, with and without the check") {
  const bool check = GENERATE(true, false);
  const std::string parse = "parse " + path() + ": ";
  CHECK(refused("0", check) == parse + "\"0\" is not the number of a process");
  CHECK(refused("-1", check) == parse + "\"-1\" is not the number of a process");
  const std::string own = std::to_string(::getpid());
  CHECK(refused(own, check) == parse + '"' + own + "\" is the helper itself");
  CHECK(refused("rubbish", check) == parse + "\"rubbish\" is not a number");
  CHECK(refused("", check) == parse + "it is empty");
}

TEST_CASE_METHOD(Files, "a process that does not handle the signal is not signalled") {
  const Program program(dir, kDeaf);
  CHECK(refused(program.number()) ==
        "check process " + program.number() + ": it does not catch SIGUSR1, which would end it");
  CHECK(program.runs());
}

TEST_CASE_METHOD(Files, "without the check, such a process is signalled") {
  const Program program(dir, kDeaf);
  static_cast<void>(dir.write("pid", program.number()));
  PidSignal unchecked = signal(false);
  CHECK(unchecked.send() == program.pid());
  CHECK(program.end() == SIGUSR1);
}

TEST_CASE_METHOD(Files, "a process that has reused the number is not signalled") {
  const Program program(dir, kCatching);
  static_cast<void>(dir.write("pid", program.number()));
  written(1h + 10s);
  PidSignal pid_signal = signal();
  const auto why = refusal(pid_signal);
  CHECK(why.error.message ==
        "check process " + program.number() +
            ": it started 1h after the file was written: the number now belongs to another process");
  CHECK_FALSE(why.lasting);  // the file may be about to be written
  PidSignal unchecked = signal(false);
  CHECK(unchecked.send() == program.pid());
}

TEST_CASE_METHOD(Files, "a process that was signalled before is recognized") {
  Program program(dir, kCatching);
  static_cast<void>(dir.write("pid", program.number()));
  PidSignal pid_signal = signal();
  REQUIRE(pid_signal.send());
  written(1h);
  CHECK(pid_signal.send() == program.pid());

  Program other(dir, kCatching);
  static_cast<void>(dir.write("pid", other.number()));
  written(1h);
  CHECK_FALSE(pid_signal.send());
}

TEST_CASE_METHOD(Files, "a process that has ended is not signalled") {
  Program program(dir, kCatching);
  const std::string number = program.number();
  static_cast<void>(dir.write("pid", number));
  PidSignal pid_signal = signal(GENERATE(true, false));
  program.kill();
  CHECK(program.end() == SIGKILL);
  CHECK(refusal(pid_signal).error.message == "find process " + number + ": it has ended");
  program.reap();
  const auto why = refusal(pid_signal);
  CHECK(why.error.message == "find process " + number + ": no such process");
  CHECK_FALSE(why.lasting);
}

TEST_CASE_METHOD(Files, "anything else at the path of a PID file is an error and does not block") {
  const auto why = [this] {
    PidSignal pid_signal = signal();
    return refusal(pid_signal);
  };
  const std::string read = "read " + path() + ": ";
  SECTION("nothing") {
    CHECK(why().error.message == read + "no such file or directory");
    CHECK_FALSE(why().lasting);
    return;
  }
  SECTION("a FIFO") {
    REQUIRE(::mkfifo(path().c_str(), 0600) == 0);
  }
  SECTION("a directory") {
    std::filesystem::create_directory(path());
  }
  SECTION("a device") {
    std::filesystem::create_symlink("/dev/zero", path());
  }
  SECTION("a huge file") {
    static_cast<void>(dir.write("pid", "12"));
    std::filesystem::resize_file(path(), std::uintmax_t{1} << 30);
  }
  SECTION("a loop") {
    std::filesystem::create_symlink("pid", path());
  }
  CHECK(why().error.message.starts_with(read));
  CHECK(why().lasting);
}

// Runs `body` in a thread for which `prepare` changed attributes; false if that failed.
template <class Prepare, class Body>
bool in_thread(Prepare prepare, Body body) {
  bool prepared = false;
  std::thread([&] {
    prepared = prepare();
    if (prepared) body();
  }).join();
  ::prctl(PR_SET_DUMPABLE, 1);  // cleared for another user, but LeakSanitizer needs it
  return prepared;
}

// For the calling thread.
bool deny_syscall(long number, int error) {
  std::array<sock_filter, 4> program = {
      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(number)},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  const sock_fprog filter{.len = program.size(), .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_CASE_METHOD(Files, "a system without pidfd is supported, with one warning") {
  const CapturedLog log(dir);
  const auto [call, error] =
      GENERATE(std::pair<long, int>(SYS_pidfd_open, ENOSYS), std::pair<long, int>(SYS_pidfd_open, EPERM),
               std::pair<long, int>(SYS_pidfd_send_signal, ENOSYS),
               std::pair<long, int>(SYS_pidfd_send_signal, EPERM));
  Program program(dir, kCatching);
  static_cast<void>(dir.write("pid", program.number()));
  PidSignal pid_signal = signal();
  bool first = false;
  bool second = false;
  REQUIRE(in_thread([call, error] { return deny_syscall(call, error); },
                    [&] {
                      first = pid_signal.send().has_value() && program.says("ready\nrenewed\n");
                      second = pid_signal.send().has_value();
                    }));
  CHECK(first);
  CHECK(second);
  CHECK(program.says("ready\nrenewed\nrenewed\n"));
  const std::string text = log.text();
  CHECK(text.contains("this system offers no pidfd"));
  CHECK(text.find("no pidfd") == text.rfind("no pidfd"));
}

// The bare system call changes only this thread. Only root needs it and can use it; others are unprivileged
// already.
bool become_nobody() {
  return ::geteuid() != 0 || ::syscall(SYS_setresuid, 65534, 65534, 65534) == 0;
}

TEST_CASE_METHOD(Files, "a process of another user is an error with a hint") {
  const bool root = ::geteuid() == 0;
  // Without root, use a process of root's; SIGURG would be harmless.
  Program program(dir, kCatching);
  const std::string number = root ? program.number() : "1";
  static_cast<void>(dir.write("pid", number));
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
  PidSignal pid_signal(path(), root ? SIGUSR1 : SIGURG, root);
  std::expected<pid_t, Refusal> sent;
  REQUIRE(in_thread(become_nobody, [&] { sent = pid_signal.send(); }));
  REQUIRE_FALSE(sent);
  CHECK(sent.error().error.message == "send " + std::string(root ? "SIGUSR1" : "SIGURG") + " to process " +
                                          number + ": operation not permitted");
  CHECK(sent.error().error.hint == "run the helper as the user of that process, or with CAP_KILL");
  CHECK(sent.error().lasting);
  CHECK(program.said() == "ready\n");
}

TEST_CASE_METHOD(Files, "a PID file that cannot be read is refused") {
  static_cast<void>(dir.write("pid", "1", 0));
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
  PidSignal pid_signal = signal();
  std::expected<pid_t, Refusal> sent;
  REQUIRE(in_thread(become_nobody, [&] { sent = pid_signal.send(); }));
  REQUIRE_FALSE(sent);
  CHECK(sent.error().error.message == "read " + path() + ": permission denied");
  CHECK(sent.error().lasting);
}

}  // namespace
}  // namespace spiffe::process
