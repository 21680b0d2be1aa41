// The generated parts of the manual pages, in mdoc(7). Pure.
#pragma once

#include <string>

namespace spiffe::cli {

// A subsection for each command but run and help: its summary and its help.
[[nodiscard]] std::string manual_of_commands();

// A list of all keys with their values, meanings and defaults.
[[nodiscard]] std::string manual_of_keys();

}  // namespace spiffe::cli
