// The doctor's look at the program of the helper that runs: is cmd up?
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

// A child of the helper that has not ended, as /proc shows it.
struct HelperChild {
  pid_t pid = 0;
  std::optional<std::string> cmdline;  // words that end with NUL; nothing: it cannot be read
  std::string name;                    // its first 15 bytes, as in /proc/<pid>/comm
};

struct HelperChildren {
  bool complete = false;  // there are no others
  std::vector<HelperChild> all;
};

// Whether the child runs `command`. `path`: where `command` was found, for a script, whose name the kernel
// gives to the interpreter. Pure.
[[nodiscard]] bool runs_command(const HelperChild& child, std::string_view command, std::string_view path);

// `path` as above, of cmd. `published`: the files that cmd waits for are there. Pure. Whatever is not certain
// is not an alarm.
[[nodiscard]] Finding judge_program(const config::Config& config, std::string_view path, pid_t helper,
                                    const HelperChildren& children, bool published);

// The helper's child that runs cmd; nothing where none is found, or none can be seen.
[[nodiscard]] std::optional<pid_t> find_program_of(const config::Config& config, const RunningHelper& helper);

// Nothing to say without cmd.
void check_running_program(const config::Config& config, const RunningHelper& helper, Findings& out);

}  // namespace spiffe::cli
