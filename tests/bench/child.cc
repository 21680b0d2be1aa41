// bench_child RECORD: the helpers start and signal it. Records the time of its start and of each SIGUSR1.
#include <csignal>

#include "record.hh"

namespace {

// Longer than any benchmark: a child that was left behind ends by itself.
constexpr unsigned kLongestLifeSeconds = 900;

bench::Record record;
std::uint64_t started;

void note_signal(int) {
  const std::uint64_t time = bench::now();
  if (record.words == nullptr) return;
  const std::uint64_t before = record.words[bench::kSignals];
  if (bench::kFirstSignal + before < record.count) record.words[bench::kFirstSignal + before] = time;
  // Counted after its time is written: counted signals can be read.
  __atomic_store_n(&record.words[bench::kSignals], before + 1, __ATOMIC_RELEASE);
}

// Before main and all other constructors.
[[gnu::constructor(101)]] void note_start() {
  started = bench::now();
  struct sigaction action{};
  action.sa_handler = note_signal;
  ::sigaction(SIGUSR1, &action, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: bench_child RECORD\n", stderr);
    return 2;
  }
  record = bench::map_record(argv[1]);
  if (record.words == nullptr) return 1;
  ::alarm(kLongestLifeSeconds);
  record.words[bench::kStarted] = started;
  // Written last: then the reader assumes that the rest is complete.
  __atomic_store_n(&record.words[bench::kPid], static_cast<std::uint64_t>(::getpid()), __ATOMIC_RELEASE);
  while (true) ::pause();
}
