// Every path that a configuration asks for, in one list. For the rules on names.
#pragma once

#include <string>
#include <vector>

#include "config/config.hh"

namespace spiffe::config {

struct OutputPath {
  std::string key;   // full name: "svid_file_name", "jwt_svids[0].jwt_svid_file_name"
  std::string name;  // as configured, not empty
  std::string path;  // joined with cert_dir (and the dir of its identity) and cleaned
};

[[nodiscard]] std::vector<OutputPath> output_paths(const Config& config);

// Whether files are configured that the change is about.
[[nodiscard]] bool writes(const Config& config, Change change);

}  // namespace spiffe::config
