#include "config/outputs.hh"

#include "config/path_join.hh"

namespace spiffe::config {

namespace {

class Collector {
 public:
  explicit Collector(std::vector<OutputPath>& out) : out_(out) {}

  void add(const std::string& directory, std::string key, const std::string& name) {
    if (!name.empty()) out_.push_back({std::move(key), name, join_path(directory, name)});
  }

  void add_identity(const std::string& directory, const std::string& prefix, const X509Outputs& x) {
    add(directory, prefix + "svid_file_name", x.svid_file_name);
    add(directory, prefix + "svid_key_file_name", x.svid_key_file_name);
    add(directory, prefix + "svid_bundle_file_name", x.svid_bundle_file_name);
    add(directory, prefix + "svid_combined_file_name", x.svid_combined_file_name);
    add(directory, prefix + "svid_keystore_file_name", x.svid_keystore_file_name);
    add(directory, prefix + "truststore_file_name", x.truststore_file_name);
    add(directory, prefix + "bundle_dir", x.bundle_dir);
    add(directory, prefix + "bundle_map_file_name", x.bundle_map_file_name);
    add(directory, prefix + "jwks_file_name", x.jwks_file_name);
    add(directory, prefix + "envoy_sds_dir", x.envoy_sds_dir);
  }

 private:
  std::vector<OutputPath>& out_;
};

std::string item(const std::string& list, std::size_t index) {
  return list + "[" + std::to_string(index) + "].";
}

}  // namespace

std::vector<OutputPath> output_paths(const Config& config) {
  std::vector<OutputPath> out;
  Collector collector(out);
  const std::string& dir = config.cert_dir;
  collector.add_identity(dir, "", config.x509);
  for (std::size_t i = 0; i < config.jwt_svids.size(); ++i) {
    collector.add(dir, item("jwt_svids", i) + "jwt_svid_file_name", config.jwt_svids[i].jwt_svid_file_name);
  }
  collector.add(dir, "jwt_bundle_file_name", config.jwt_bundle_file_name);
  for (std::size_t i = 0; i < config.x509_svids.size(); ++i) {
    const X509Svid& svid = config.x509_svids[i];
    collector.add_identity(join_path(dir, svid.dir), item("x509_svids", i), svid.outputs);
  }
  for (std::size_t i = 0; i < config.wit_svids.size(); ++i) {
    collector.add(dir, item("wit_svids", i) + "wit_svid_file_name", config.wit_svids[i].wit_svid_file_name);
    collector.add(dir, item("wit_svids", i) + "wit_svid_key_file_name",
                  config.wit_svids[i].wit_svid_key_file_name);
  }
  collector.add(dir, "wit_bundle_file_name", config.wit_bundle_file_name);
  return out;
}

bool writes(const Config& config, Change change) {
  switch (change) {
    case Change::x509:
      return !config.x509.svid_file_name.empty() || !config.x509_svids.empty() ||
             !config.credential_folder.empty();
    case Change::jwt:
      return !config.jwt_svids.empty();
    case Change::bundle:
      break;
  }
  return !config.jwt_bundle_file_name.empty();
}

}  // namespace spiffe::config
