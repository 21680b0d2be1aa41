// The command "verify": verifies identities in files.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kVerifyCommand;

}  // namespace spiffe::cli
