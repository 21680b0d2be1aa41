// Rules between keys, which cannot be checked for a single value.
#pragma once

#include <vector>

#include "config/binder.hh"
#include "config/config.hh"
#include "config/warning.hh"

namespace spiffe::config {

// Errors name the place of the value. Warnings: keys that have no effect with the rest of the configuration.
[[nodiscard]] Result<void> validate(const Config& config, const Origins& origins,
                                    std::vector<Warning>& warnings);

// Whether any file would be written.
[[nodiscard]] bool has_output(const Config& config);

// The defaults of keys whose default depends on other keys. Setting a key to this value has no effect.
[[nodiscard]] Config implied_defaults(const Config& config);

// `config` with these defaults filled in.
[[nodiscard]] Config with_implied_defaults(Config config);

}  // namespace spiffe::config
