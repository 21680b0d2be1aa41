// The command "watch": shows every X.509 update of the agent and its changes.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kWatchCommand;

}  // namespace spiffe::cli
