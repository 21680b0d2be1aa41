// The command "completion": prints a completion script.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kCompletionCommand;

}  // namespace spiffe::cli
