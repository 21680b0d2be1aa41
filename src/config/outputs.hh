// All output paths of a configuration, to check the rules on names.
#pragma once

#include <string>
#include <vector>

#include "config/config.hh"
#include "output/format.hh"

namespace spiffe::config {

struct OutputPath {
  std::string key;   // full name: "svid_file_name", "jwt_svids[0].jwt_svid_file_name"
  std::string name;  // as configured, not empty
  std::string path;  // joined with cert_dir and cleaned
  output::Shape shape = output::Shape::file;
};

[[nodiscard]] std::vector<OutputPath> output_paths(const Config& config);
// Parts of that list: paths at the top level, and those of an entry of x509_svids.
[[nodiscard]] std::vector<OutputPath> own_paths(const Config& config);
[[nodiscard]] std::vector<OutputPath> entry_paths(const Config& config, std::size_t index);
// The directories of the entries of x509_svids, which nothing else may use.
[[nodiscard]] std::vector<OutputPath> entry_directories(const Config& config);

// Whether files of this kind are configured.
[[nodiscard]] bool writes(const Config& config, identity::Kind kind);

}  // namespace spiffe::config
