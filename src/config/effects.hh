// Keys that were given and do nothing as the rest of the configuration stands.
#pragma once

#include <vector>

#include "config/binder.hh"
#include "config/config.hh"
#include "config/warning.hh"

namespace spiffe::config {

// One warning for each, at the place of the key. A key that has its default value asks for nothing, so it
// does not count, nor does one that nobody gave. Expects a configuration that is valid otherwise.
void warn_without_effect(const Config& config, const Origins& origins, std::vector<Warning>& warnings);

}  // namespace spiffe::config
