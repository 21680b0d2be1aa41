// bench_child RECORD: what the helpers start and signal. Notes when it began and when each SIGUSR1 came.
#include <csignal>
#include <initializer_list>

#include "record.hh"

namespace {

// Longer than any benchmark: a child that nobody ends goes by itself.
constexpr unsigned kLongestLifeSeconds = 900;

std::uint64_t started;
sigset_t awaited;

// Before main and all other constructors.
[[gnu::constructor(101)]] void note_start() {
  started = bench::now();
  ::sigemptyset(&awaited);
  for (const int number : {SIGUSR1, SIGHUP, SIGINT, SIGTERM}) ::sigaddset(&awaited, number);
  ::sigprocmask(SIG_BLOCK, &awaited, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: bench_child RECORD\n", stderr);
    return 2;
  }
  const auto [words, count] = bench::map_record(argv[1]);
  if (words == nullptr) return 1;
  ::alarm(kLongestLifeSeconds);
  words[bench::kStarted] = started;
  // Last: once it is there the reader takes the rest as written.
  __atomic_store_n(&words[bench::kPid], static_cast<std::uint64_t>(::getpid()), __ATOMIC_RELEASE);
  for (std::uint64_t signals = 0;;) {
    const int number = ::sigwaitinfo(&awaited, nullptr);
    const std::uint64_t time = bench::now();
    if (number < 0) continue;
    if (number != SIGUSR1) return 0;
    if (bench::kFirstSignal + signals < count) words[bench::kFirstSignal + signals] = time;
    __atomic_store_n(&words[bench::kSignals], ++signals, __ATOMIC_RELEASE);
  }
}
