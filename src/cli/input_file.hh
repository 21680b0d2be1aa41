// Reading a file that a person names.
#pragma once

#include <string>

#include "base/result.hh"
#include "base/secret.hh"

namespace spiffe::cli {

inline constexpr std::size_t kMaxInput = 64UL * 1024 * 1024;

// All of a regular file of at most `most` bytes. Errors (kind io or failed) begin with the path and say what
// else it is: nothing that could wait, such as a FIFO, is opened.
[[nodiscard]] Result<SecretBytes> read_input(const std::string& path, std::size_t most = kMaxInput);

}  // namespace spiffe::cli
