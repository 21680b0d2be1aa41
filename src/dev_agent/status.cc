// Agent's status, as JSON.
#include <nlohmann/json.hpp>

#include "dev_agent/agent.hh"

namespace spiffe::dev_agent {

std::string Agent::status_json() {
  using nlohmann::json;
  const std::lock_guard lock(mutex_);
  json active = json::array();
  if (!refusing_.empty()) active.push_back(refusing_);
  if (hub_.delay().count() > 0) active.push_back("delay");
  if (spoiled_by_ != nullptr) active.push_back(spoiled_by_->name);
  if (jwt_fault_ != nullptr) active.push_back(jwt_fault_->name);
  const json status = {
      {"seq", hub_.seq()},
      {"serial", hub_.serial()},
      {"streams", hub_.open_streams(Topic::x509_svids)},
      {"x509_bundle_streams", hub_.open_streams(Topic::x509_bundles)},
      {"jwt_bundle_streams", hub_.open_streams(Topic::jwt_bundles)},
      {"connections", connections_.open()},
      {"accepted", connections_.accepted()},
      {"sent", hub_.sent()},
      {"skipped", hub_.skipped()},
      {"rpcs",
       {{"FetchX509SVID", counters_.x509_svids.load()},
        {"FetchX509Bundles", counters_.x509_bundles.load()},
        {"FetchJWTSVID", counters_.jwt_svids.load()},
        {"FetchJWTBundles", counters_.jwt_bundles.load()},
        {"ValidateJWTSVID", counters_.validations.load()}}},
      {"most_at_once", {{"FetchJWTSVID", counters_.jwt_svids_at_once.most()}}},
      {"without_header", counters_.without_header.load()},
      {"denied", counters_.refused.load()},
      {"faults", active},
      {"delay_ms", hub_.delay().count()},
      {"federated", federated_x509_.size()},
      {"burst", burst_running_},
  };
  return status.dump();
}

void Agent::AtOnce::begin() {
  const std::uint64_t now = ++now_;
  std::uint64_t most = most_;
  while (most < now && !most_.compare_exchange_weak(most, now)) {
  }
}

}  // namespace spiffe::dev_agent
