#include "config/agent_address.hh"

#include <utility>

namespace spiffe::config {

namespace {

constexpr std::string_view kDefault = "/tmp/spire-agent/public/api.sock";

Result<void> take(Config& config, std::string_view source, Result<Endpoint> endpoint) {
  if (!endpoint) return fail(context(source, endpoint.error()));
  config.agent_address = *std::move(endpoint);
  config.agent_address_source = source;
  return {};
}

}  // namespace

Result<void> find_agent_address(Config& config, const Environment& environment,
                                std::vector<Warning>& warnings) {
  if (!config.agent_address_source.empty()) return {};
  if (const auto list = variable(environment, "SPIFFE_ENDPOINT"); !list.empty()) {
    return take(config, "SPIFFE_ENDPOINT", Endpoint::parse_list(list));
  }
  if (const auto uri = variable(environment, "SPIFFE_ENDPOINT_SOCKET"); !uri.empty()) {
    return take(config, "SPIFFE_ENDPOINT_SOCKET", Endpoint::parse(uri));
  }
  if (const auto old = variable(environment, "SPIRE_AGENT_ADDRESS"); !old.empty()) {
    warnings.push_back({"SPIRE_AGENT_ADDRESS is deprecated. Use SPIFFE_ENDPOINT_SOCKET instead.",
                        "SPIRE_AGENT_ADDRESS", "set it by its new name"});
    return take(config, "SPIRE_AGENT_ADDRESS", Endpoint::parse(old));
  }
  return take(config, "default", Endpoint::parse(kDefault));
}

}  // namespace spiffe::config
