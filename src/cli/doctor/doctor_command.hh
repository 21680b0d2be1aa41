// The command "doctor": checks each step from the configuration to the program, and reports failures.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kDoctorCommand;

}  // namespace spiffe::cli
