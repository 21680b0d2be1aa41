// The command "config": checks, prints and converts configurations. Reads the file, and nothing else.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kConfigCommand;

}  // namespace spiffe::cli
