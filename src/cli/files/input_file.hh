// Reads a file named on the command line, or standard input.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.hh"
#include "base/secret.hh"

namespace spiffe::cli {

inline constexpr std::size_t kMaxInput = 64UL * 1024 * 1024;

// The content of a regular file of at most `most` bytes. Errors (kind io or failed) begin with the path.
// Other types of files are refused without being opened, since they may block, such as a FIFO.
[[nodiscard]] Result<SecretBytes> read_input(const std::string& path, std::size_t most = kMaxInput);

// The same, and "-" is standard input. Standard input, a FIFO or a pipe of /dev/fd is read to its end, for at
// most `timeout` (default: a minute; 0 is no limit): kind timed_out. Prints a line after a second of waiting.
// Does not wait for a FIFO without a writer.
[[nodiscard]] Result<SecretBytes> read_named(const std::string& path,
                                             std::optional<std::chrono::nanoseconds> timeout);

[[nodiscard]] inline bool is_standard_input(const std::string& path) {
  return path == "-";
}

// The path in messages: escaped, "standard input" for "-".
[[nodiscard]] std::string spoken_path(const std::string& path);

}  // namespace spiffe::cli
