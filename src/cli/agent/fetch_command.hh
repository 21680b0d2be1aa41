// The command "fetch": one answer from the agent, shown or written to files.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kFetchCommand;

}  // namespace spiffe::cli
