// The file that the launcher, the child and rig.py share: 64-bit words in the machine's byte order. Times are
// CLOCK_MONOTONIC in nanoseconds. rig.py makes it, filled with zeros; its size limits the number of signals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bench {

enum Word : std::size_t {
  kLaunched,     // by the launcher, just before it executes the helper
  kStarted,      // by the child, as early as possible
  kPid,          // of the child
  kSignals,      // how many it has received
  kFirstSignal,  // the time of each, from here on
};

struct Record {
  std::uint64_t* words = nullptr;
  std::size_t count = 0;
};

inline std::uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// Without words if it cannot be mapped; the error is on stderr.
inline Record map_record(const char* path) {
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  struct stat status{};
  if (fd < 0 || ::fstat(fd, &status) != 0) {
    std::perror(path);
    return {};
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED || size <= kFirstSignal * sizeof(std::uint64_t)) {
    std::perror(path);
    return {};
  }
  return {static_cast<std::uint64_t*>(memory), size / sizeof(std::uint64_t)};
}

}  // namespace bench
