// The doctor's check of the running helper's program: is cmd up?
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "cli/doctor/disk.hh"
#include "cli/doctor/finding.hh"
#include "config/config.hh"

namespace spiffe::cli {

// A running child of the helper, as /proc shows it.
struct HelperChild {
  pid_t pid = 0;
  std::optional<std::string> cmdline;  // words that end with NUL; not set: not readable
  std::string name;                    // its first 15 bytes, as in /proc/<pid>/comm
};

struct HelperChildren {
  bool complete = false;  // `all` contains every child
  std::vector<HelperChild> all;
};

// Whether the child runs `command`. `path`: where `command` was found; needed for scripts, where the kernel
// shows the interpreter's name. Pure.
[[nodiscard]] bool runs_command(const HelperChild& child, std::string_view command, std::string_view path);

// `path` as above, of cmd. `published`: the files that cmd waits for exist. Anything uncertain is not
// reported as a failure. Pure.
[[nodiscard]] Finding judge_program(const config::Config& config, std::string_view path, pid_t helper,
                                    const HelperChildren& children, bool published);

// The helper's child that runs cmd; empty if none is found or visible.
[[nodiscard]] std::optional<pid_t> find_program_of(const config::Config& config, const RunningHelper& helper);

// Reports nothing without cmd.
void check_running_program(const config::Config& config, const RunningHelper& helper, Findings& out);

}  // namespace spiffe::cli
