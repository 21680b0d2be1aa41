// The command line: which command, which flags, and the exit code.
#pragma once

#include <string>
#include <vector>

#include <signal.h>

namespace spiffe::cli {

// Exit codes of every command.
inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

// Runs the program. `args` without its name; `original_mask` is the signal mask for children. Returns the
// exit code. Errors are on stderr already.
int main(const std::vector<std::string>& args, const sigset_t& original_mask);

}  // namespace spiffe::cli
