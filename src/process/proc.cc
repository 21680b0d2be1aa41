#include "process/proc.hh"

#include <array>
#include <charconv>
#include <cstdint>
#include <memory>
#include <sstream>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.hh"

namespace spiffe::process {

std::optional<std::string> read_proc(pid_t pid, std::string_view name) {
  return read_proc_file(std::to_string(pid) + '/' + std::string(name));
}

std::optional<std::string> read_proc_file(std::string_view name) {
  const std::string path = "/proc/" + std::string(name);
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  // `status` is usually under 2 KiB, but a process may be in many groups.
  std::string text;
  std::array<char, 4096> buffer{};
  ssize_t n = 0;
  while ((n = ::read(fd.get(), buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  if (n < 0) return std::nullopt;  // the process has ended meanwhile
  return text;
}

std::optional<BootTime> start_time(std::string_view stat) {
  constexpr int kField = 22;
  // The second field is the program's name in parentheses, which may contain anything.
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

std::optional<ProcStat> parse_stat(std::string_view stat) {
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string_view::npos) return std::nullopt;
  std::istringstream fields{std::string(stat.substr(name_end + 2))};
  ProcStat out;
  fields >> out.state >> out.parent >> out.group >> out.session;
  constexpr int kBetween = 13;  // from field 7, tty_nr, to field 19, nice
  std::string skipped;
  for (int i = 0; i < kBetween; ++i) fields >> skipped;
  fields >> out.threads;
  return fields ? std::optional(out) : std::nullopt;
}

std::optional<ProcStat> proc_stat(pid_t pid) {
  const auto text = read_proc(pid, "stat");
  return text ? parse_stat(*text) : std::nullopt;
}

std::vector<Process> processes() {
  std::vector<Process> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), &::closedir);
  if (directory == nullptr) return out;
  while (const dirent* const entry = ::readdir(directory.get())) {  // NOLINT(concurrency-mt-unsafe)
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size()) continue;
    if (const auto stat = proc_stat(pid)) out.push_back({pid, *stat});
  }
  return out;
}

std::vector<pid_t> group_members(pid_t group) {
  std::vector<pid_t> out;
  for (const Process& each : processes()) {
    if (each.stat.group == group && !each.stat.ended()) out.push_back(each.pid);
  }
  return out;
}

std::optional<BootTime> start_time(pid_t pid) {
  const auto stat = read_proc(pid, "stat");
  return stat ? start_time(*stat) : std::nullopt;
}

}  // namespace spiffe::process
