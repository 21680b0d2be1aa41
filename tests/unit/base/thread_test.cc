#include "base/thread.hh"

#include <cerrno>
#include <latch>
#include <memory>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.hh"

using namespace std::chrono_literals;
using namespace spiffe;

namespace {

constexpr uid_t kSomebody = 54321;  // root is exempt from RLIMIT_NPROC

// Runs `body` in a process of its own, as a user who may have no other. Returns its exit code.
int as_somebody_without_room(int (*body)()) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    if (::setrlimit(RLIMIT_NPROC, &none) != 0) ::_exit(100);
    if (::getuid() == 0 && ::setuid(kSomebody) != 0) ::_exit(101);
    ::_exit(body());
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a thread runs its body, and the body's captures are destroyed when it has been joined") {
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> seen = held;
  bool ran = false;
  auto thread = Thread::start([&ran, held = std::move(held)] { ran = true; });
  REQUIRE(thread);
  CHECK(thread->running());
  CHECK(thread->join_within(1min));
  CHECK(ran);
  CHECK(seen.expired());
  CHECK_FALSE(thread->running());
  CHECK(thread->join_within(0ms));
  CHECK(Thread::left_behind() == 0);
}

TEST_CASE("a thread that does not end in time is left behind, and counted until it ends") {
  const auto go = std::make_shared<std::latch>(1);
  std::weak_ptr<std::latch> end = go;
  auto thread = Thread::start([go] { go->wait(); });
  REQUIRE(thread);
  CHECK_FALSE(thread->join_within(1ms));
  CHECK_FALSE(thread->running());
  CHECK(Thread::left_behind() == 1);
  {
    auto dropped = Thread::start([go] { go->wait(); });
    REQUIRE(dropped);
  }
  CHECK(Thread::left_behind() == 2);
  go->count_down();
  const auto late = std::chrono::steady_clock::now() + 1min;
  while (Thread::left_behind() > 0 && std::chrono::steady_clock::now() < late) ::usleep(1000);
  CHECK(Thread::left_behind() == 0);
}

TEST_CASE("a thread that cannot be made is an error") {
  CHECK(as_somebody_without_room([] {
          const auto thread = Thread::start([] {});
          if (thread) return 1;
          return thread.error().kind == ErrorKind::io && thread.error().sys == EAGAIN ? 0 : 2;
        }) == 0);
}
