// What is said where a file or directory cannot be written, and what to try next. The log, the commands and
// the doctor have their words from here.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hh"

namespace spiffe::output {

// "cannot write `path`: permission denied (`call`)", kind io, sys = code, with the hint below.
[[nodiscard]] std::unexpected<Error> cannot_write(std::string_view path, std::string_view call, int code);

// The next thing to try after errno `code`; "" where there is nothing to say.
[[nodiscard]] std::string hint_of_write(int code);

// After chown(2) was refused.
[[nodiscard]] std::string_view hint_of_chown();

// A directory that is missing. `create`: create_cert_dir is set already.
[[nodiscard]] std::string_view hint_of_missing_directory(bool create);

}  // namespace spiffe::output
