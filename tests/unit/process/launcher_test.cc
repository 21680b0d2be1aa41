#include "process/launcher.hh"

#include <algorithm>
#include <cstdint>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/signals.hh"
#include "processes.hh"

namespace spiffe::process {
namespace {

// The content of the file "out" in `dir`, written by the command.
std::string output_of(const TempDir& dir, LaunchOptions options) {
  Launcher launcher(std::move(options));
  const auto launched = launcher.launch();
  REQUIRE(launched);
  REQUIRE(wait_for(launched->pid) == 0);
  return read_all(dir / "out");
}

// The number after "`name`:\t" in a /proc status file.
std::uint64_t status_set(const std::string& status, const std::string& name) {
  const std::size_t at = status.find(name + ":\t");
  REQUIRE(at != std::string::npos);
  return std::stoull(status.substr(at + name.size() + 2), nullptr, 16);
}

constexpr std::uint64_t bit(int signo) {
  return std::uint64_t{1} << (signo - 1);
}

// Restores the signal state of the process after a test.
class SignalsRestored {
 public:
  SignalsRestored() {
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_);
    for (int i = 1; i < NSIG; ++i) ::sigaction(i, nullptr, &actions_[i]);
  }
  ~SignalsRestored() {
    for (int i = 1; i < NSIG; ++i) ::sigaction(i, &actions_[i], nullptr);
    ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }
  SignalsRestored(const SignalsRestored&) = delete;
  SignalsRestored& operator=(const SignalsRestored&) = delete;

 private:
  sigset_t mask_{};
  struct sigaction actions_[NSIG]{};
};

TEST_CASE("programs are looked up in the absolute directories of PATH") {
  const TempDir dir;
  const TempDir other;
  static_cast<void>(dir.write("tool", "#!/bin/sh\n", 0644));
  static_cast<void>(other.write("tool", "#!/bin/sh\n", 0755));
  const std::string path = "relative::" + dir.path() + ':' + other.path();

  SECTION("the first one that can be executed is taken") {
    CHECK(find_program("tool", path) == other / "tool");
  }
  SECTION("the working directory is not searched") {
    CHECK(find_program("sh", ":.:").error().kind == StartFailure::not_found);
  }
  SECTION("one that cannot be executed is named") {
    const auto found = find_program("tool", dir.path());
    REQUIRE_FALSE(found);
    CHECK(found.error().kind == StartFailure::not_executable);
    CHECK(found.error().message == '"' + (dir / "tool") + "\": permission denied");
    CHECK(found.error().shell_code() == 126);
  }
  SECTION("if there is none, the searched path is named") {
    const auto found = find_program("no-such-tool", path);
    REQUIRE_FALSE(found);
    CHECK(found.error().message == "\"no-such-tool\": not found in " + path);
    CHECK(found.error().shell_code() == 127);
  }
  SECTION("a name with a slash is not looked up") {
    CHECK(find_program("./tool", path).error().message == "\"./tool\": no such file or directory");
    CHECK(find_program(other / "tool", "") == other / "tool");
    CHECK(find_program(dir.path(), "").error().message == '"' + dir.path() + "\": is a directory");
  }
}

TEST_CASE("a command is executed with its arguments unchanged") {
  const TempDir dir;
  LaunchOptions options =
      launch_options({"sh", "-c", "printf '%s|' \"$0\" \"$@\" > \"$OUT\"", "a b", "$HOME; *", ""});
  options.env.push_back("OUT=" + (dir / "out"));
  CHECK(output_of(dir, std::move(options)) == "a b|$HOME; *||");
}

TEST_CASE("a command with a relative path is looked up in the working directory") {
  const TempDir dir;
  static_cast<void>(dir.write("x", "#!/bin/sh\nexit 7\n", 0755));
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  Launcher launcher(launch_options({"./x"}));
  const auto launched = launcher.launch();
  std::filesystem::current_path(before);
  REQUIRE(launched);
  CHECK(WEXITSTATUS(wait_for(launched->pid)) == 7);
}

TEST_CASE("a child gets only the standard descriptors") {
  const TempDir dir;
  const Fd leaky(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC
  REQUIRE(leaky);
  // The shell's list of its descriptors includes the one that reads the list.
  CHECK(output_of(dir, shell("exec > " + (dir / "out") + "; for f in /proc/$$/fd/*; do echo ${f##*/}; done"))
            .find_first_not_of("0123\n") == std::string::npos);
  CHECK(output_of(dir, shell("test ! -e /proc/$$/fd/" + std::to_string(leaky.get()) + " && echo fine > " +
                             (dir / "out"))) == "fine\n");
  CHECK(::fcntl(leaky.get(), F_GETFD) == 0);
}

TEST_CASE("a child gets the signal mask and dispositions that this process was started with") {
  const TempDir dir;
  const SignalsRestored restored;
  ::signal(SIGHUP, SIG_IGN);   // as under nohup
  ::signal(SIGPIPE, SIG_IGN);  // as under systemd
  ::signal(SIGUSR1, [](int) {});
  FoundSignals found = block_signals();
  sigaddset(&found.mask, SIGWINCH);

  LaunchOptions options = launch_options({"cp", "/proc/self/status", dir / "out"});
  options.signals = found;
  const std::string status = output_of(dir, std::move(options));
  CHECK(status_set(status, "SigBlk") == bit(SIGWINCH));
  CHECK(status_set(status, "SigIgn") == (bit(SIGHUP) | bit(SIGPIPE)));
  CHECK(status_set(status, "SigCgt") == 0);
}

TEST_CASE("a child can be reaped even if SIGCHLD was ignored at the start") {
  const SignalsRestored restored;
  ::signal(SIGCHLD, SIG_IGN);
  const FoundSignals found = block_signals();
  CHECK(sigismember(&found.ignored, SIGCHLD) == 1);
  CHECK(sigismember(&found.ignored, SIGPIPE) == 0);
  Launcher launcher(shell("exit 3"));
  const auto launched = launcher.launch();
  REQUIRE(launched);
  CHECK(WEXITSTATUS(wait_for(launched->pid)) == 3);
}

TEST_CASE("core dumps are disabled for this process, but not for its child") {
  const TempDir dir;
  rlimit before{};
  ::getrlimit(RLIMIT_CORE, &before);
  const rlimit wanted{.rlim_cur = std::min<rlim_t>(before.rlim_max, 512 * 1024), .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_CORE, &wanted);
  const std::string filter = read_all("/proc/self/coredump_filter");
  {
    const CoreDumps core_dumps = CoreDumps::forbid();
    rlimit now{};
    ::getrlimit(RLIMIT_CORE, &now);
    CHECK(now.rlim_cur == 0);
    CHECK(now.rlim_max == before.rlim_max);
    CHECK(std::stoul(read_all("/proc/self/coredump_filter"), nullptr, 16) == 0);

    LaunchOptions options = launch_options(
        {"sh", "-c", "exec > \"$0\"; ulimit -S -c; cat /proc/self/coredump_filter", dir / "out"});
    options.core_dumps = &core_dumps;
    const std::string limit = std::to_string(wanted.rlim_cur / 512);  // in blocks of 512 bytes
    CHECK(output_of(dir, std::move(options)) == limit + '\n' + filter);
    CHECK(std::stoul(read_all("/proc/self/coredump_filter"), nullptr, 16) == 0);
  }
  ::setrlimit(RLIMIT_CORE, &before);
  std::ofstream("/proc/self/coredump_filter") << "0x" << filter;
}

TEST_CASE("a program that cannot be executed gives an error and leaves no child") {
  const TempDir dir;
  const auto error_of = [](const std::string& command) {
    Launcher launcher(launch_options({command}));
    const auto launched = launcher.launch();
    REQUIRE_FALSE(launched);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
    CHECK(errno == ECHILD);
    return launched.error();
  };
  SECTION("a script without an interpreter is not given to a shell") {
    const StartError error = error_of(dir.write("bare", "echo hello\n", 0755));
    CHECK(error.kind == StartFailure::not_executable);
    CHECK(error.message.ends_with("bare\": exec format error"));
    CHECK(error.hint.contains("#!/bin/sh"));
  }
  SECTION("a missing interpreter is not a missing program") {
    const StartError error = error_of(dir.write("script", "#!/no/such/interpreter\n", 0755));
    CHECK(error.kind == StartFailure::not_executable);
    CHECK(error.hint.contains("interpreter"));
  }
  SECTION("a directory") {
    CHECK(error_of(dir.path()).shell_code() == 126);
  }
  SECTION("nothing of that name") {
    CHECK(error_of("no-such-tool").shell_code() == 127);
  }
}

TEST_CASE("a shortage of descriptors is not the program's fault") {
  Launcher launcher(launch_options({"true"}));
  {
    const NoDescriptors shortage;
    const auto launched = launcher.launch();
    REQUIRE_FALSE(launched);
    CHECK(launched.error().kind == StartFailure::no_resources);
    CHECK(launched.error().message == "\"true\": too many open files");
    CHECK(launched.error().hint.contains("ulimit"));
  }
  CHECK(WEXITSTATUS(wait_for(launcher.launch().value().pid)) == 0);
}

TEST_CASE("a command that appears or moves later is found by the next start") {
  const TempDir first;
  const TempDir second;
  LaunchOptions options{.argv = {"tool"}, .env = {"PATH=" + first.path() + ':' + second.path()}};
  Launcher launcher(std::move(options));
  CHECK(launcher.launch().error().kind == StartFailure::not_found);
  static_cast<void>(first.write("tool", "#!/bin/sh\nexit 1\n", 0755));
  CHECK(WEXITSTATUS(wait_for(launcher.launch().value().pid)) == 1);
  std::filesystem::remove(first / "tool");
  static_cast<void>(second.write("tool", "#!/bin/sh\nexit 2\n", 0755));
  CHECK(WEXITSTATUS(wait_for(launcher.launch().value().pid)) == 2);
}

TEST_CASE("a child gets SIGTERM when this process is killed") {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t helper = ::fork();
  if (helper == 0) {
    Launcher launcher(launch_options({"sleep", "60"}));
    const auto launched = launcher.launch();
    const pid_t pid = launched ? launched->pid : -1;
    [[maybe_unused]] const auto n = ::write(ends[1], &pid, sizeof pid);
    for (;;) ::pause();
  }
  pid_t child = 0;
  REQUIRE(::read(ends[0], &child, sizeof child) == sizeof child);
  REQUIRE(child > 0);
  ::kill(helper, SIGKILL);
  CHECK(WTERMSIG(wait_for(helper)) == SIGKILL);
  CHECK(WTERMSIG(wait_for(child)) == SIGTERM);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a child is in our process group, or leads one of its own when its program starts") {
  const bool own = GENERATE(false, true);
  LaunchOptions options = launch_options({"sleep", "60"});
  options.own_group = own;
  Launcher launcher(std::move(options));
  const auto launched = launcher.launch();
  REQUIRE(launched);
  CHECK(::getpgid(launched->pid) == (own ? launched->pid : ::getpgrp()));
  ::kill(own ? -launched->pid : launched->pid, SIGKILL);
  CHECK(WTERMSIG(wait_for(launched->pid)) == SIGKILL);
}

// Runs as the leader of a session on a new terminal. The exit code is the number of the first failed check.
int foreground_child(const std::string& status) {
  ::signal(SIGHUP, SIG_IGN);  // for the end of the terminal
  const Fd master(::posix_openpt(O_RDWR | O_NOCTTY));
  if (!master || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0 || ::setsid() < 0) return 1;
  const Fd terminal(::open(::ptsname(master.get()), O_RDWR));  // becomes our controlling terminal
  if (!terminal || ::tcgetpgrp(terminal.get()) != ::getpgrp()) return 2;
  LaunchOptions options = shell("cat /proc/self/status > " + status + "; kill -STOP $$");
  options.own_group = true;
  options.terminal = terminal.get();
  Launcher launcher(std::move(options));
  const auto launched = launcher.launch();
  if (!launched || ::tcgetpgrp(terminal.get()) != launched->pid) return 3;
  int how = 0;
  if (::waitpid(launched->pid, &how, WUNTRACED) != launched->pid || !WIFSTOPPED(how)) return 4;
  ::kill(launched->pid, SIGKILL);
  ::waitpid(launched->pid, &how, 0);
  return 0;
}

TEST_CASE("a child with a terminal is its foreground group, with the original SIGTTOU") {
  const TempDir dir;
  const pid_t leader = ::fork();
  if (leader == 0) ::_exit(foreground_child(dir / "status"));
  const int how = wait_for(leader);
  REQUIRE(WIFEXITED(how));
  CHECK(WEXITSTATUS(how) == 0);
  const std::string status = read_all(dir / "status");
  CHECK(status_set(status, "SigBlk") == 0);
  CHECK((status_set(status, "SigIgn") & bit(SIGTTOU)) == 0);
}

TEST_CASE("a descriptor that is not a terminal does not prevent the start") {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  LaunchOptions options = shell("exit 4");
  options.own_group = true;
  options.terminal = null.get();
  Launcher launcher(std::move(options));
  const auto launched = launcher.launch();
  REQUIRE(launched);
  CHECK(WEXITSTATUS(wait_for(launched->pid)) == 4);
}

// Two files at the descriptor numbers that a launch uses, with some of 0, 1 and 2 closed, in a process of its
// own.
struct Redirection {
  const char* name;
  int stdout_fd;
  int stderr_fd;
  std::vector<int> closed;
};

int redirected_child(const Redirection& numbers, const TempDir& dir) {
  const int out = ::open((dir / "out").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const int err = ::open((dir / "err").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const int high_out = ::fcntl(out, F_DUPFD_CLOEXEC, 100);
  const int high_err = ::fcntl(err, F_DUPFD_CLOEXEC, 100);
  for (const int fd : numbers.closed) ::close(fd);
  if (numbers.stdout_fd >= 0) ::dup3(high_out, numbers.stdout_fd, O_CLOEXEC);
  if (numbers.stderr_fd >= 0) ::dup3(high_err, numbers.stderr_fd, O_CLOEXEC);
  LaunchOptions options = shell(
      "echo to stdout; echo to stderr >&2; readlink /proc/$$/fd/0 > \"$0\";"
      "for f in /proc/$$/fd/*; do echo ${f##*/}; done > \"$0.fds\"");
  options.argv.push_back(dir / "stdin");
  options.stdout_fd = numbers.stdout_fd;
  options.stderr_fd = numbers.stderr_fd;
  Launcher launcher(std::move(options));
  const auto launched = launcher.launch();
  if (!launched) return 100;
  int how = 0;
  ::waitpid(launched->pid, &how, 0);
  return WIFEXITED(how) ? WEXITSTATUS(how) : 101;
}

TEST_CASE("the output of a child goes to the given descriptors, whatever their numbers") {
  const Redirection numbers = GENERATE(values<Redirection>({
      {.name = "usual", .stdout_fd = 50, .stderr_fd = 51, .closed = {}},
      {.name = "the other way round", .stdout_fd = 51, .stderr_fd = 50, .closed = {}},
      {.name = "in place", .stdout_fd = 1, .stderr_fd = 2, .closed = {}},
      {.name = "crossed", .stdout_fd = 2, .stderr_fd = 1, .closed = {}},
      {.name = "stdin's", .stdout_fd = 0, .stderr_fd = 1, .closed = {}},
      {.name = "stdin's and stdout's", .stdout_fd = 2, .stderr_fd = 0, .closed = {}},
      {.name = "with all three closed", .stdout_fd = 50, .stderr_fd = 51, .closed = {0, 1, 2}},
      {.name = "low, with all three closed", .stdout_fd = 0, .stderr_fd = 3, .closed = {0, 1, 2}},
  }));
  CAPTURE(numbers.name);
  const TempDir dir;
  const pid_t starter = ::fork();
  if (starter == 0) ::_exit(redirected_child(numbers, dir));
  const int how = wait_for(starter);
  REQUIRE(WIFEXITED(how));
  CHECK(WEXITSTATUS(how) == 0);
  CHECK(read_all(dir / "out") == "to stdout\n");
  CHECK(read_all(dir / "err") == "to stderr\n");
  CHECK(read_all(dir / "stdin") == "/dev/null\n");
  // 3 and 10 belong to the shell: for its list, and for the stdout that it restores.
  CHECK(read_all(dir / "stdin.fds") == "0\n1\n10\n2\n3\n");
}

TEST_CASE("stderr may be redirected alone") {
  const TempDir dir;
  const Fd err(::open((dir / "err").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  LaunchOptions options = shell("found=$(readlink /proc/$$/fd/1); echo $found >&2");
  options.stderr_fd = err.get();
  CHECK(output_of(dir, std::move(options)).empty());
  CHECK(read_all(dir / "err") == std::filesystem::read_symlink("/proc/self/fd/1").string() + '\n');
}

TEST_CASE("the error of a start is returned although descriptors 0, 1 and 2 are closed") {
  const pid_t starter = ::fork();
  if (starter == 0) {
    for (const int fd : {0, 1, 2}) ::close(fd);
    LaunchOptions options = launch_options({"/bin/true"});
    options.stdout_fd = 500;  // not an open descriptor
    Launcher launcher(std::move(options));
    const auto launched = launcher.launch();
    ::_exit(!launched && launched.error().message == "\"/bin/true\": bad file descriptor" ? 0 : 1);
  }
  CHECK(wait_for(starter) == 0);
}

TEST_CASE("each start may have a different environment") {
  const TempDir dir;
  LaunchOptions options = shell("echo \"$CHANGED\" >> " + (dir / "out"));
  const auto env = options.env;
  Launcher launcher(std::move(options));
  for (const char* changed : {"CHANGED=one", "CHANGED=two"}) {
    auto more = env;
    more.emplace_back(changed);
    launcher.set_env(std::move(more));
    const auto launched = launcher.launch();
    REQUIRE(launched);
    CHECK(wait_for(launched->pid) == 0);
  }
  CHECK(read_all(dir / "out") == "one\ntwo\n");
}

TEST_CASE("a child gets our environment with additions and without systemd's variables") {
  const char* const ours[] = {"PATH=/bin", "NOTIFY_SOCKET=/run/n",  "WATCHDOG_PID=1", "WATCHDOG_USEC=2",
                              "A=old",     "NOTIFY_SOCKET_X=stays", nullptr};
  CHECK(child_environment(ours, {{"A", "new"}, {"B", "b=c"}}) ==
        std::vector<std::string>{"PATH=/bin", "NOTIFY_SOCKET_X=stays", "A=new", "B=b=c"});
}

}  // namespace
}  // namespace spiffe::process
