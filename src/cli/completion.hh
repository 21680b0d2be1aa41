// Completion scripts for shells, generated from the tables of commands and keys. Pure.
#pragma once

#include <string>

namespace spiffe::cli {

[[nodiscard]] std::string bash_completion();
[[nodiscard]] std::string zsh_completion();
[[nodiscard]] std::string fish_completion();

}  // namespace spiffe::cli
