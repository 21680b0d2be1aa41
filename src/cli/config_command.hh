// The command "config": checks, prints and converts configurations. Reads only the configuration file.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kConfigCommand;

}  // namespace spiffe::cli
