// The command "verify": a verdict on an identity in files.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kVerifyCommand;

}  // namespace spiffe::cli
