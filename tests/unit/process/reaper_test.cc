#include "process/reaper.hh"

#include <algorithm>

#include <sched.h>
#include <sys/prctl.h>

#include "base/signals.hh"
#include "process/child.hh"
#include "process/hook.hh"
#include "process/proc.hh"
#include "processes.hh"

namespace spiffe::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A test in a process of its own, which must be the parent of the processes that it reaps. An exception is
// its failure.
using Body = std::function<void(const TempDir&)>;

void expect(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}
#define EXPECT(condition) expect(condition, #condition)

[[noreturn]] void run_and_exit(const Body& body, const TempDir& dir) {
  std::string failure = "passed";
  try {
    body(dir);
  } catch (const std::exception& e) {
    failure = e.what();
  }
  std::ofstream(dir / "result") << failure;
  ::_exit(0);
}

std::string in_a_subreaper(const Body& body) {
  const TempDir dir;
  const pid_t pid = ::fork();
  if (pid == 0) run_and_exit(body, dir);
  static_cast<void>(wait_for(pid));
  return read_all(dir / "result");
}

// Needs root, or a kernel that allows unprivileged user namespaces.
std::string as_init(const Body& body) {
  const TempDir dir;
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::unshare(CLONE_NEWPID) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) ::_exit(2);
    const pid_t init = ::fork();
    if (init == 0) run_and_exit(body, dir);
    int how = 0;
    ::_exit(init > 0 && ::waitpid(init, &how, 0) == init ? 0 : 3);
  }
  const int how = wait_for(pid);
  if (WEXITSTATUS(how) == 2) FAIL("no PID namespace: run this as root, or allow user namespaces");
  return read_all(dir / "result");
}

// A loop that notifies a reaper of SIGCHLD, as the daemon does.
struct ReaperFixture : LoopFixture {
  std::unique_ptr<Reaper> reaper;
  std::unique_ptr<SignalWatch> signals;
  int told = 0;  // count of SIGCHLD

  ReaperFixture() {
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &chld, nullptr);
    signals = std::move(SignalWatch::create(loop(), chld, [this](int) {
                          ++told;
                          reaper->child_changed();
                        }).value());
    reaper = std::move(Reaper::create(loop(), true).value());
  }
};

pid_t start(const std::string& script) {
  Launcher launcher(shell(script));
  auto launched = launcher.launch();
  EXPECT(launched.has_value());
  return launched->pid;
}

bool no_child_left() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

// `count` orphans, which all end at the same time, when they read the end of a pipe.
class Orphans {
 public:
  explicit Orphans(int count) {
    EXPECT(::pipe2(ends_, O_CLOEXEC) == 0);
    const pid_t parent = ::fork();
    if (parent == 0) {
      ::close(ends_[1]);
      for (int i = 0; i < count; ++i) {
        if (::fork() != 0) continue;
        char c = 0;
        ::_exit(static_cast<int>(::read(ends_[0], &c, 1)));
      }
      ::_exit(0);
    }
    EXPECT(parent > 0);
    siginfo_t info{};
    EXPECT(::waitid(P_PID, static_cast<id_t>(parent), &info, WEXITED) == 0);
  }
  ~Orphans() {
    end();
    ::close(ends_[0]);
  }
  Orphans(const Orphans&) = delete;
  Orphans& operator=(const Orphans&) = delete;
  void end() {
    if (ends_[1] >= 0) ::close(std::exchange(ends_[1], -1));
  }

 private:
  int ends_[2] = {-1, -1};
};

void a_thousand(const TempDir&) {
  ReaperFixture f;
  Orphans orphans(1000);
  EXPECT(f.until([] { return true; }));
  EXPECT(!no_child_left());
  orphans.end();
  EXPECT(f.until(no_child_left));
}

TEST_CASE("a thousand orphans that end at the same time are reaped") {
  CHECK(in_a_subreaper(a_thousand) == "passed");
  CHECK(as_init(a_thousand) == "passed");
}

TEST_CASE("processes that ended before the reaper was created are reaped at once") {
  CHECK(in_a_subreaper([](const TempDir&) {
          const pid_t early = ::fork();
          if (early == 0) ::_exit(0);
          siginfo_t info{};
          EXPECT(::waitid(P_PID, static_cast<id_t>(early), &info, WEXITED | WNOWAIT) == 0);
          const ReaperFixture f;
          EXPECT(no_child_left());
        }) == "passed");
}

// Both the pidfd and SIGCHLD report the child; whichever comes first, its owner gets the status.
void claimed_among_orphans(const TempDir&) {
  ReaperFixture f;
  for (int i = 0; i < 30; ++i) {
    Orphans orphans(20);
    std::optional<ExitStatus> status;
    std::unique_ptr<Child> child;
    Launcher launcher(shell("exit 7"));
    auto launched = launcher.launch();
    EXPECT(launched.has_value());
    if (i % 3 == 0) launched->pidfd.reset();
    child = std::make_unique<Child>(
        f.loop(), std::move(*launched),
        [&] {
          status = child->reap();
          if (status) child.reset();
        },
        f.reaper.get());
    orphans.end();
    EXPECT(f.until([&] { return status.has_value() && no_child_left(); }));
    EXPECT(*status == ExitStatus{.code = 7});
  }
}

TEST_CASE("the owner of a claimed child gets its status") {
  CHECK(in_a_subreaper(claimed_among_orphans) == "passed");
  CHECK(as_init(claimed_among_orphans) == "passed");
}

TEST_CASE("an owner may start the next child when the last one has ended") {
  CHECK(in_a_subreaper([](const TempDir&) {
          ReaperFixture f;
          Orphans orphans(50);
          int ends = 0;
          std::unique_ptr<Child> child;
          Launcher launcher(shell("exit 1"));
          std::function<void()> on_ended;
          const auto next = [&] {
            auto launched = launcher.launch();
            EXPECT(launched.has_value());
            launched->pidfd.reset();  // only the reaper notifies
            child = std::make_unique<Child>(f.loop(), std::move(*launched), on_ended, f.reaper.get());
          };
          on_ended = [&] {
            const auto status = child->reap();
            if (!status) return;
            EXPECT(*status == ExitStatus{.code = 1});
            child.reset();
            if (++ends < 50) next();
          };
          next();
          orphans.end();
          EXPECT(f.until([&] { return ends == 50 && no_child_left(); }));
        }) == "passed");
}

TEST_CASE("an owner that does not reap its child hides no orphans") {
  CHECK(in_a_subreaper([](const TempDir& dir) {
          const CapturedLog log(dir);
          ReaperFixture f;
          const pid_t pid = start("exit 0");
          int told = 0;
          const auto claim = f.reaper->claim(pid, [&] { ++told; });
          Orphans orphans(10);
          orphans.end();
          EXPECT(f.until(no_child_left));
          EXPECT(told == 1);
          EXPECT(log.has("a child was not reaped by its owner"));
        }) == "passed");
}

TEST_CASE("a held child hides no orphans, and stays its owner's until it is reaped") {
  CHECK(in_a_subreaper([](const TempDir& dir) {
          const CapturedLog log(dir);
          ReaperFixture f;
          Launcher launcher(shell("exit 3"));
          std::unique_ptr<Child> child;
          bool held = false;
          child = std::make_unique<Child>(
              f.loop(), std::move(launcher.launch().value()),
              [&] {
                EXPECT(!std::exchange(held, true));
                child->hold();
              },
              f.reaper.get());
          EXPECT(f.until([&] { return held; }));
          for (int i = 0; i < 3; ++i) {
            Orphans orphans(20);
            orphans.end();
            const pid_t only = child->pid();
            EXPECT(f.until([&] {
              return std::ranges::all_of(processes(), [&](const Process& each) {
                return each.stat.parent != ::getpid() || each.pid == only;
              });
            }));
          }
          EXPECT(!log.has("was not reaped by its owner"));
          EXPECT(child->reap() == ExitStatus{.code = 3});
          child.reset();
          Orphans orphans(20);
          orphans.end();
          EXPECT(f.until(no_child_left));
        }) == "passed");
}

TEST_CASE("a child that is no longer claimed is an orphan") {
  CHECK(in_a_subreaper([](const TempDir&) {
          ReaperFixture f;
          {
            const auto claim = f.reaper->claim(start("sleep 0.05"), [] { EXPECT(false); });
          }
          EXPECT(f.until(no_child_left));
        }) == "passed");
}

TEST_CASE("processes that renew_cmd leaves behind are reaped, and its own status is not lost") {
  CHECK(in_a_subreaper([](const TempDir& dir) {
          const CapturedLog log(dir);
          ReaperFixture f;
          Hook::Options options{.name = "renew_cmd",
                                .launch = shell("sleep 0.05 & (sleep 0.01 & exit 4) & exit 3"),
                                .cert_dir = "/",
                                .reaper = f.reaper.get()};
          auto command = Hook::create(f.loop(), std::move(options), [](int) {});
          EXPECT(command.has_value());
          (*command)->published({.x509 = true});
          EXPECT(f.until([&] { return (*command)->state() == HookSchedule::State::backoff; }));
          EXPECT(log.has("exited with code 3"));
          EXPECT(f.until(no_child_left));
        }) == "passed");
}

TEST_CASE("a failed start leaves nothing to the reaper") {
  CHECK(in_a_subreaper([](const TempDir& dir) {
          const CapturedLog log(dir);
          ReaperFixture f;
          Launcher launcher(launch_options({dir.write("bare", "no interpreter\n", 0755)}));
          EXPECT(!launcher.launch());
          EXPECT(no_child_left());
          EXPECT(f.until([&] { return f.told == 1; }));
          EXPECT(!log.has("orphan_reaped"));
        }) == "passed");
}

TEST_CASE("there is no reaper unless this is PID 1 or a subreaper") {
  auto loop = std::move(Loop::create().value());
  const auto reaper = Reaper::create(*loop, false);
  REQUIRE(reaper);
  CHECK(*reaper == nullptr);
  CHECK(as_init([](const TempDir&) {
          auto own = std::move(Loop::create().value());
          EXPECT(Reaper::create(*own, false).value() != nullptr);
        }) == "passed");
}

// Ends the others and returns how long that took.
milliseconds end_others(ReaperFixture& f) {
  const BootTime began = BootClock::now();
  bool done = false;
  f.reaper->end_others([&] { done = true; });
  EXPECT(f.until([&] { return done; }));
  return std::chrono::floor<milliseconds>(BootClock::now() - began);
}

TEST_CASE("a subreaper does not end other processes") {
  CHECK(in_a_subreaper([](const TempDir&) {
          ReaperFixture f;
          const pid_t other = start("exec sleep 60");
          bool done = false;
          f.reaper->end_others([&] { done = true; });
          EXPECT(done);
          EXPECT(alive(other));
          ::kill(other, SIGKILL);
        }) == "passed");
}

TEST_CASE("PID 1 ends at once if there is no other process") {
  CHECK(as_init([](const TempDir&) {
          ReaperFixture f;
          bool done = false;
          f.reaper->end_others([&] { done = true; });
          EXPECT(done);
        }) == "passed");
}

TEST_CASE("PID 1 asks all other processes to end, also stopped ones and their children") {
  CHECK(as_init([](const TempDir& dir) {
          ReaperFixture f;
          start("cd " + dir.path() +
                "; exec 2> /dev/null; trap 'echo asked > trap; exit 0' TERM; : > ready; while :; do sleep "
                "0.01; done");
          start("(setsid sleep 60 & sleep 60 &) ; exec sleep 60");
          ::kill(start("exec sleep 60"), SIGSTOP);
          EXPECT(f.until([&] { return std::filesystem::exists(dir / "ready"); }));
          EXPECT(end_others(f) < seconds(1));
          EXPECT(read_all(dir / "trap") == "asked\n");
          EXPECT(no_child_left());
          EXPECT(::kill(-1, 0) != 0 && errno == ESRCH);
        }) == "passed");
}

TEST_CASE("PID 1 kills processes that do not end") {
  CHECK(as_init([](const TempDir& dir) {
          const CapturedLog log(dir);
          ReaperFixture f;
          start("cd " + dir.path() + "; trap '' TERM; : > ready; (sleep 60 &); exec sleep 60");
          EXPECT(f.until([&] { return std::filesystem::exists(dir / "ready"); }));
          const milliseconds took = end_others(f);
          EXPECT(took >= Reaper::kGrace);
          EXPECT(took < Reaper::kGrace + seconds(1));
          EXPECT(::kill(-1, 0) != 0 && errno == ESRCH);
        }) == "passed");
}

}  // namespace
}  // namespace spiffe::process
