// Reads the file of keystore_password_file.
#pragma once

#include <string>

#include "base/result.hh"
#include "base/secret.hh"

namespace spiffe::output {

// Its only line, without the line break. Never waits: a FIFO without data is an error. Errors name the file
// and never contain its content.
[[nodiscard]] Result<SecretBytes> read_password_file(const std::string& path);

}  // namespace spiffe::output
