// Information about processes from /proc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/clock.hh"

namespace spiffe::process {

// The text of /proc/<pid>/<name>; nullopt if it cannot be read.
[[nodiscard]] std::optional<std::string> read_proc(pid_t pid, std::string_view name);

// The text of /proc/<name>.
[[nodiscard]] std::optional<std::string> read_proc_file(std::string_view name);

// When a process was forked, in steps of a clock tick (10 ms), from the text of /proc/<pid>/stat; nullopt if
// that does not contain it.
[[nodiscard]] std::optional<BootTime> start_time(std::string_view stat);
[[nodiscard]] std::optional<BootTime> start_time(pid_t pid);

// Fields of /proc/<pid>/stat, in their order there.
struct ProcStat {
  char state = '?';
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  long threads = 0;

  // Whether the process has ended and is only not reaped yet. A group leader whose other threads still run
  // has not ended.
  [[nodiscard]] bool ended() const { return (state == 'Z' || state == 'X') && threads <= 1; }
};
[[nodiscard]] std::optional<ProcStat> parse_stat(std::string_view stat);
[[nodiscard]] std::optional<ProcStat> proc_stat(pid_t pid);

// All visible processes. Takes some microseconds for each.
struct Process {
  pid_t pid = 0;
  ProcStat stat;
};
[[nodiscard]] std::vector<Process> processes();

// The members of a process group that have not ended.
[[nodiscard]] std::vector<pid_t> group_members(pid_t group);

}  // namespace spiffe::process
