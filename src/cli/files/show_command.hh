// The command "show": explains the files of identities.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kShowCommand;

}  // namespace spiffe::cli
