// The command "doctor": walks the way of a credential, and says what breaks it.
#pragma once

#include "cli/args/command.hh"

namespace spiffe::cli {

extern const Command kDoctorCommand;

}  // namespace spiffe::cli
