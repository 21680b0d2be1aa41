#include "base/last_words.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <string>

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

namespace spiffe {

namespace {

constexpr std::size_t kMost = 200;
std::array<char, kMost> last_words_text{};
std::atomic<std::size_t> words_size = 0;
std::atomic<int> exit_code = 1;

void say(std::string_view text) {
  [[maybe_unused]] const auto n = ::write(STDERR_FILENO, text.data(), text.size());
}

// In a signal handler: async-signal-safe calls only.
void on_abort(int) {
  say("error: unexpected: ");
  const std::size_t size = words_size;
  say(size > 0 ? std::string_view(last_words_text.data(), size) : "the process cannot go on");
  say("\nhint: is a limit of memory, processes or open files reached? look at ulimit -a and at the "
      "container's\n");
  ::_exit(1);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void give_last_words() {
  handle(SIGABRT, on_abort);
}

void let_abort_dump() {
  handle(SIGABRT, SIG_DFL);
}

void note_last_words(std::string_view text) {
  // Another thread may write at the same time. The line may then be garbled, which does no harm.
  words_size = 0;
  const std::size_t size = std::min(text.size(), last_words_text.size());
  std::ranges::transform(text.substr(0, size), last_words_text.begin(),
                         [](char c) { return c >= ' ' && c < 0x7F ? c : '?'; });
  words_size = size;
}

void leave_within(std::chrono::milliseconds patience, int code) {
  exit_code = code;
  handle(SIGALRM, [](int) { ::_exit(exit_code); });
  sigset_t alarm;
  ::sigemptyset(&alarm);
  ::sigaddset(&alarm, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
  const auto s = std::chrono::floor<std::chrono::seconds>(patience);
  const itimerval in{
      .it_interval = {},
      .it_value = {.tv_sec = s.count(), .tv_usec = std::chrono::microseconds(patience - s).count()}};
  ::setitimer(ITIMER_REAL, &in, nullptr);
}

}  // namespace spiffe
