// Writes data to standard output. A full disk or a closed pipe is an error.
#pragma once

#include <string_view>

#include "base/result.hh"

namespace spiffe::cli {

// Writes all of it with write(2).
[[nodiscard]] Result<void> write_stdout(std::string_view text);

// The error of write_stdout() for this errno.
[[nodiscard]] std::unexpected<Error> cannot_write(int code);

// The same as the last step of a command: reports an error, returns the exit code.
int print(std::string_view text);

}  // namespace spiffe::cli
