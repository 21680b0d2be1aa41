// The command "version": the program's version and build.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kVersionCommand;

}  // namespace spiffe::cli
