// bench_launch RECORD PROGRAM [ARGUMENT...]: records the time and executes PROGRAM.
#include "record.hh"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: bench_launch RECORD PROGRAM [ARGUMENT...]\n", stderr);
    return 2;
  }
  const auto [words, count] = bench::map_record(argv[1]);
  if (words == nullptr) return 1;
  words[bench::kLaunched] = bench::now();
  ::execv(argv[2], argv + 2);
  std::perror(argv[2]);
  return 1;
}
