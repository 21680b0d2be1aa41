// The doctor's checks of cert_dir. Reads only; a lock is only tried for a moment, never awaited.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "cli/doctor/finding.hh"
#include "config/config.hh"

namespace spiffe::cli {

// The helper that runs with this configuration; 0: there is none, or it is not visible.
struct RunningHelper {
  pid_t pid = 0;
  bool lock_held = false;  // by any process
  bool certain = false;    // `pid` is certainly that helper, not a claim of another user's lock file
};

// Checks cert_dir, its lock, its layout, the files and free space. `config_file`: "" if there is none.
RunningHelper check_disk(const config::Config& config, const std::string& config_file, Renewal renewal,
                         Findings& out);

}  // namespace spiffe::cli
