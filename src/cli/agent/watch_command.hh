// The command "watch": every X.509 update of the agent, and what changed.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kWatchCommand;

}  // namespace spiffe::cli
