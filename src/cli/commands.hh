// The table of commands, and the texts made of it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.hh"
#include "cli/args/command.hh"

namespace spiffe::cli {

// In the order of the overview.
[[nodiscard]] std::span<const Command* const> commands();

// Null where there is none of that name.
[[nodiscard]] const Command* find_command(std::string_view name);

// What `spiffe-helper help` prints.
[[nodiscard]] std::string overview();

// Kind usage, with the nearest command there is.
[[nodiscard]] Error unknown_command(std::string_view word);

// What `<command> -h` prints.
[[nodiscard]] std::string help_of(const Command& command);

// Whether this command line is for a command other than run: its first word is no flag and not "run".
[[nodiscard]] bool is_subcommand(std::span<const std::string> args);

// Runs it. `args` as for is_subcommand(), which must be true. Returns the exit code; errors have been told.
int run_subcommand(std::span<const std::string> args);

}  // namespace spiffe::cli
