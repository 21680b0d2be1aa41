// What no single value can show: rules between keys.
#pragma once

#include <vector>

#include "config/binder.hh"
#include "config/config.hh"
#include "config/warning.hh"

namespace spiffe::config {

// Errors name the place of the value concerned. Warnings: keys that have no effect as the rest stands.
[[nodiscard]] Result<void> validate(const Config& config, const Origins& origins,
                                    std::vector<Warning>& warnings);

// Whether anything at all would be written.
[[nodiscard]] bool has_output(const Config& config);

// What keys without a fixed default come to as the rest of the configuration stands: setting them to that
// asks for nothing.
[[nodiscard]] Config implied_defaults(const Config& config);

// `config` with what keys without a fixed default come to as the rest of it stands.
[[nodiscard]] Config with_implied_defaults(Config config);

}  // namespace spiffe::config
