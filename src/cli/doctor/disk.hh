// The doctor's look at cert_dir. Reads only; a lock is tried for the blink of an eye and never waited for.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "cli/doctor/finding.hh"
#include "config/config.hh"

namespace spiffe::cli {

// The helper that runs with this configuration; 0: there is none, or none that can be seen from here.
struct RunningHelper {
  pid_t pid = 0;
  bool lock_held = false;  // by somebody, be it that helper or not
  bool certain = false;    // `pid` is that helper: not the word of another user's lock file
};

// cert_dir, its lock, its layout, the files and the space for more. `config_file`: "" where there is none.
RunningHelper check_disk(const config::Config& config, const std::string& config_file, Renewal renewal,
                         Findings& out);

}  // namespace spiffe::cli
