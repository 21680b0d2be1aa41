// The command line: which command, which flags, and the exit code.
#pragma once

#include <string>
#include <vector>

#include <signal.h>

#include "cli/exit.hh"

namespace spiffe::cli {

// Runs the program. `args` without its name; `original_mask` is the signal mask for children. Returns the
// exit code. Errors are on stderr already.
int main(const std::vector<std::string>& args, const sigset_t& original_mask);

}  // namespace spiffe::cli
