// The command "version": which program this is, and what it was built from.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kVersionCommand;

}  // namespace spiffe::cli
