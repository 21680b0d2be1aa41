// The agent's address if no key of the configuration sets it.
#pragma once

#include <vector>

#include "config/config.hh"
#include "config/settings.hh"
#include "config/warning.hh"

namespace spiffe::config {

// Fills config.agent_address and its source unless they are set: from SPIFFE_ENDPOINT (a list),
// SPIFFE_ENDPOINT_SOCKET, SPIRE_AGENT_ADDRESS (with a warning), then /tmp/spire-agent/public/api.sock. Errors
// name the variable.
[[nodiscard]] Result<void> find_agent_address(Config& config, const Environment& environment,
                                              std::vector<Warning>& warnings);

}  // namespace spiffe::config
