// The command "health": asks a running helper's health endpoint.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kHealthCommand;

}  // namespace spiffe::cli
