#include "process/core_dumps.hh"

#include <array>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace spiffe::process {

namespace {

bool write_filter(int fd, std::string_view value) {
  return ::pwrite(fd, value.data(), value.size(), 0) == static_cast<ssize_t>(value.size());
}

}  // namespace

CoreDumps CoreDumps::forbid() {
  CoreDumps found;
  rlimit limit{};
  if (::getrlimit(RLIMIT_CORE, &limit) == 0) {
    const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
    if (::setrlimit(RLIMIT_CORE, &none) == 0) found.limit_ = limit;
  }
  Fd fd(::open("/proc/self/coredump_filter", O_RDWR | O_CLOEXEC));
  if (!fd) return found;
  std::array<char, 32> text{};
  const ssize_t n = ::read(fd.get(), text.data(), text.size());
  if (n <= 1 || !write_filter(fd.get(), "0")) return found;
  // The kernel prints "00000033" in hexadecimal, but parses a number with C's prefixes.
  std::string_view digits(text.data(), static_cast<std::size_t>(n));
  while (!digits.empty() && digits.back() == '\n') digits.remove_suffix(1);
  found.filter_ = "0x" + std::string(digits);
  found.filter_fd_ = std::move(fd);
  return found;
}

void CoreDumps::open_filter() const {
  if (!filter_.empty()) write_filter(filter_fd_.get(), filter_);
}

void CoreDumps::close_filter() const {
  if (!filter_.empty()) write_filter(filter_fd_.get(), "0");
}

}  // namespace spiffe::process
