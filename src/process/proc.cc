#include "process/proc.hh"

#include <array>
#include <charconv>
#include <cstdint>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.hh"

namespace spiffe::process {

std::optional<std::string> read_proc(pid_t pid, std::string_view name) {
  const std::string path = "/proc/" + std::to_string(pid) + '/' + std::string(name);
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  // `status` is mostly under 2 KiB, but a process may be in many groups.
  std::string text;
  std::array<char, 4096> buffer{};
  ssize_t n = 0;
  while ((n = ::read(fd.get(), buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  if (n < 0) return std::nullopt;  // it has ended meanwhile
  return text;
}

std::optional<BootTime> start_time(std::string_view stat) {
  constexpr int kField = 22;
  // The second field is the program's name in parentheses, with anything in it.
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  stat.remove_prefix(name_end + 1);
  for (int field = 2; field < kField; ++field) {
    const std::size_t space = stat.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    stat.remove_prefix(space + 1);
  }
  std::uint64_t ticks = 0;
  if (std::from_chars(stat.data(), stat.data() + stat.size(), ticks).ec != std::errc{}) return std::nullopt;
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return BootTime(std::chrono::nanoseconds(ticks * (1'000'000'000 / per_second)));
}

std::optional<BootTime> start_time(pid_t pid) {
  const auto stat = read_proc(pid, "stat");
  return stat ? start_time(*stat) : std::nullopt;
}

}  // namespace spiffe::process
