// Reading a file that a person names, or what is piped in.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.hh"
#include "base/secret.hh"

namespace spiffe::cli {

inline constexpr std::size_t kMaxInput = 64UL * 1024 * 1024;

// All of a regular file of at most `most` bytes. Errors (kind io or failed) begin with the path and say what
// else it is: nothing that could wait, such as a FIFO, is opened.
[[nodiscard]] Result<SecretBytes> read_input(const std::string& path, std::size_t most = kMaxInput);

// The same, and "-" is standard input. That, a FIFO or a pipe of /dev/fd is read to its end, for `timeout` (a
// minute where it is not given, 0 is no limit) at most: kind timed_out. After a second it says that it waits.
// A FIFO that nobody writes to is waited for by nobody.
[[nodiscard]] Result<SecretBytes> read_named(const std::string& path,
                                             std::optional<std::chrono::nanoseconds> timeout);

[[nodiscard]] inline bool is_standard_input(const std::string& path) {
  return path == "-";
}

// What text calls it: escaped, "standard input" for "-".
[[nodiscard]] std::string spoken_path(const std::string& path);

}  // namespace spiffe::cli
