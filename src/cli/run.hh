// The command "run": configuration, log, daemon.
#pragma once

#include <signal.h>

#include "cli/command_line.hh"

namespace spiffe::cli {

// Returns the exit code; errors have been told.
int run(const CommandLine& line, const sigset_t& original_mask);

}  // namespace spiffe::cli
