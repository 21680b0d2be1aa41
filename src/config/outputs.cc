#include "config/outputs.hh"

#include "config/identities.hh"
#include "config/path_join.hh"
#include "output/formats.hh"

namespace spiffe::config {

std::vector<OutputPath> own_paths(const Config& config) {
  std::vector<OutputPath> out;
  const auto add = [&](std::string key, const std::string& name, output::Shape shape = output::Shape::file) {
    if (!name.empty()) out.push_back({std::move(key), name, join_path(config.cert_dir, name), shape});
  };
  for (const output::Format& format : output::kFormats) {
    const auto found = config.x509.names.find(format.key);
    if (found != config.x509.names.end()) add(std::string(format.key), found->second, format.shape);
  }
  for (std::size_t i = 0; i < config.jwt_svids.size(); ++i) {
    add("jwt_svids[" + std::to_string(i) + "].jwt_svid_file_name", config.jwt_svids[i].jwt_svid_file_name);
  }
  add("jwt_bundle_file_name", config.jwt_bundle_file_name);
  add("jwks_file_name", config.jwks_file_name);
  return out;
}

std::vector<OutputPath> entry_paths(const Config& config, std::size_t index) {
  std::vector<OutputPath> out = own_paths(config_of(config, config.x509_svids[index]));
  for (OutputPath& each : out) each.key = entry_name(index) + "." + each.key;
  return out;
}

std::vector<OutputPath> entry_directories(const Config& config) {
  std::vector<OutputPath> out;
  for (std::size_t i = 0; i < config.x509_svids.size(); ++i) {
    const std::string& dir = config.x509_svids[i].dir;
    out.push_back({entry_name(i) + ".dir", dir, join_path(config.cert_dir, dir), output::Shape::directory});
  }
  return out;
}

std::vector<OutputPath> output_paths(const Config& config) {
  std::vector<OutputPath> out = own_paths(config);
  for (std::size_t i = 0; i < config.x509_svids.size(); ++i) {
    for (OutputPath& each : entry_paths(config, i)) out.push_back(std::move(each));
  }
  return out;
}

bool writes(const Config& config, identity::Kind kind) {
  switch (kind) {
    case identity::Kind::x509:
      return !config.x509.names.empty() || !config.x509_svids.empty();
    case identity::Kind::jwt:
      return !config.jwt_svids.empty();
    case identity::Kind::bundle:
      break;
  }
  return !config.jwt_bundle_file_name.empty() || !config.jwks_file_name.empty();
}

}  // namespace spiffe::config
