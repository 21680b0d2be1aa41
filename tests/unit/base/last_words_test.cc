#include "base/last_words.hh"

#include <array>
#include <cstdlib>
#include <string>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.hh"
#include "support/catch.hh"

using namespace std::chrono_literals;
using namespace spiffe;

namespace {

struct End {
  int status = 0;
  std::string said;
};

End of(void (*body)()) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const rlimit none{};
    ::setrlimit(RLIMIT_CORE, &none);
    ::dup2(writer.get(), STDERR_FILENO);
    body();
    ::_exit(99);
  }
  writer.reset();
  End out;
  std::array<char, 512> text{};
  for (ssize_t n = 0; (n = ::read(reader.get(), text.data(), text.size())) > 0;)
    out.said.append(text.data(), static_cast<std::size_t>(n));
  REQUIRE(::waitpid(pid, &out.status, 0) == pid);
  return out;
}

}  // namespace

TEST_CASE("abort() prints an error and ends with exit code 1") {
  const End end = of([] {
    give_last_words();
    note_last_words("assertion failed:\nfd >= 0");
    std::abort();
  });
  CHECK(WIFEXITED(end.status));
  CHECK(WEXITSTATUS(end.status) == 1);
  CHECK(end.said.starts_with("error: unexpected: assertion failed:?fd >= 0\nhint: "));
}

TEST_CASE("abort() kills the process if a core dump is wanted") {
  const End end = of([] {
    give_last_words();
    let_abort_dump();
    std::abort();
  });
  CHECK(WIFSIGNALED(end.status));
  CHECK(WTERMSIG(end.status) == SIGABRT);
}

TEST_CASE("a process that hangs ends in time and with its exit code") {
  const End end = of([] {
    leave_within(10ms, 7);
    for (;;) ::pause();
  });
  CHECK(WIFEXITED(end.status));
  CHECK(WEXITSTATUS(end.status) == 7);
  CHECK(end.said.empty());
}
