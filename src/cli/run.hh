// The command "run": configuration, log, daemon.
#pragma once

#include "base/signals.hh"
#include "cli/command_line.hh"

namespace spiffe::cli {

// Returns the exit code; errors have been reported.
int run(const CommandLine& line, const FoundSignals& found_signals);

}  // namespace spiffe::cli
