// The message and hint for a file or directory that cannot be written. The log, the commands and the doctor
// all use these.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hh"

namespace spiffe::output {

// "cannot write `path`: permission denied (`call`)", kind io, sys = code, with the hint below.
[[nodiscard]] std::unexpected<Error> cannot_write(std::string_view path, std::string_view call, int code);

// The next thing to try after errno `code`; "" if there is none.
[[nodiscard]] std::string hint_of_write(int code);

// The hint after chown(2) was refused.
[[nodiscard]] std::string_view hint_of_chown();

// The hint for a missing directory. `create`: create_cert_dir is already set.
[[nodiscard]] std::string_view hint_of_missing_directory(bool create);

}  // namespace spiffe::output
