// What /proc tells of a process.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/clock.hh"

namespace spiffe::process {

// The text of /proc/<pid>/<name>; nothing where it cannot be read.
[[nodiscard]] std::optional<std::string> read_proc(pid_t pid, std::string_view name);

// When a process was forked, in steps of a clock tick (10 ms). From the text of /proc/<pid>/stat; nothing
// where it does not tell.
[[nodiscard]] std::optional<BootTime> start_time(std::string_view stat);
[[nodiscard]] std::optional<BootTime> start_time(pid_t pid);

}  // namespace spiffe::process
