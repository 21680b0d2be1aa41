// The table of commands, and the texts generated from it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.hh"
#include "cli/args/command.hh"

namespace spiffe::cli {

// In the order of the overview.
[[nodiscard]] std::span<const Command* const> commands();

// Null if there is none.
[[nodiscard]] const Command* find_command(std::string_view name);

// The text of `spiffe-helper help`.
[[nodiscard]] std::string overview();

// Kind usage, with the most similar command as hint.
[[nodiscard]] Error unknown_command(std::string_view word);

// The text of `<command> -h`.
[[nodiscard]] std::string help_of(const Command& command);

// Whether this command line is for a command other than run: the first word is not a flag and not "run".
[[nodiscard]] bool is_subcommand(std::span<const std::string> args);

// Runs it. `args` as for is_subcommand(), which must be true. Returns the exit code; errors have been
// reported.
int run_subcommand(std::span<const std::string> args);

}  // namespace spiffe::cli
