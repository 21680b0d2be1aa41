// The doctor's look at the files in cert_dir: how they are laid out, and whether they belong together.
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
