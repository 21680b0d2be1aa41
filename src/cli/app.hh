// The command line: selects the command and returns the exit code.
#pragma once

#include <string>
#include <vector>

#include "base/signals.hh"
#include "cli/text/exit.hh"

namespace spiffe::cli {

// Runs the program. `args` without its name; `found_signals`: restored for children. Returns the exit code.
// Errors are already on stderr.
int main(const std::vector<std::string>& args, const FoundSignals& found_signals);

}  // namespace spiffe::cli
