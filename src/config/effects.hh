// Finds keys that are set but have no effect with the rest of the configuration.
#pragma once

#include <vector>

#include "config/binder.hh"
#include "config/config.hh"
#include "config/warning.hh"

namespace spiffe::config {

// One warning for each, at the place of the key. A key with its default value, or one that is not set, does
// not count. Expects a configuration that is valid otherwise.
void warn_without_effect(const Config& config, const Origins& origins, std::vector<Warning>& warnings);

}  // namespace spiffe::config
