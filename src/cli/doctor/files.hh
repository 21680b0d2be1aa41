// The doctor's checks of the files in cert_dir: their layout, and whether they match.
#pragma once

#include <string>

#include "cli/doctor/finding.hh"
#include "config/config.hh"
#include "daemon/settings.hh"

namespace spiffe::cli {

void check_layout(const config::Config& config, const std::string& path, Findings& out);

// Modes, owners and contents.
void check_files(const config::Config& config, const daemon::Plan& plan, Renewal renewal, Findings& out);

}  // namespace spiffe::cli
