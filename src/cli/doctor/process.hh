// The doctor's checks of programs that are notified: cmd, prepare_cmd, renew_cmd, the PID file; and of the
// health port.
#pragma once

#include "cli/doctor/disk.hh"
#include "cli/doctor/finding.hh"
#include "config/config.hh"

namespace spiffe::cli {

void check_process(const config::Config& config, const RunningHelper& helper, Findings& out);

}  // namespace spiffe::cli
