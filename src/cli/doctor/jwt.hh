// The doctor's look at what the agent gives of JWT: the bundles, and every token that is configured.
#pragma once

#include <chrono>

#include "cli/doctor/finding.hh"
#include "config/config.hh"

namespace spiffe::cli {

// Waits `timeout` at most, 0 for no limit. Main thread.
void check_jwt(const config::Config& config, std::chrono::nanoseconds timeout, Findings& out);

}  // namespace spiffe::cli
