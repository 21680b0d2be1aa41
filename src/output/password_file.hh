// The file that keystore_password_file names.
#pragma once

#include <string>

#include "base/result.hh"
#include "base/secret.hh"

namespace spiffe::output {

// The one line in it, without its line break. Never waits: a FIFO without anything to read is an error.
// Errors name the file and say nothing of what it holds.
[[nodiscard]] Result<SecretBytes> read_password_file(const std::string& path);

}  // namespace spiffe::output
