// The doctor's checks of the agent's JWT answers: the bundles, and every configured token.
#pragma once

#include <chrono>

#include "cli/doctor/finding.hh"
#include "config/config.hh"

namespace spiffe::cli {

// Waits at most `timeout`, 0 for no limit. Main thread.
void check_jwt(const config::Config& config, std::chrono::nanoseconds timeout, Findings& out);

}  // namespace spiffe::cli
