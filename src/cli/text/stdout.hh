// Data for standard output, where a full disk or a closed pipe is an error and not silence.
#pragma once

#include <string_view>

#include "base/result.hh"

namespace spiffe::cli {

// All of it, with write(2).
[[nodiscard]] Result<void> write_stdout(std::string_view text);

// What write_stdout() says of this errno.
[[nodiscard]] std::unexpected<Error> cannot_write(int code);

// The same as the end of a command: tells of an error, returns the exit code.
int print(std::string_view text);

}  // namespace spiffe::cli
