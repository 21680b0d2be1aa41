// The command line: which command, which flags, and the exit code.
#pragma once

#include <string>
#include <vector>

#include "base/signals.hh"
#include "cli/text/exit.hh"

namespace spiffe::cli {

// Runs the program. `args` without its name; `found_signals` is what children get back. Returns the exit
// code. Errors are on stderr already.
int main(const std::vector<std::string>& args, const FoundSignals& found_signals);

}  // namespace spiffe::cli
