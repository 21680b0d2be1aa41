// The tables of keys: the only place that defines names, types and help. The binder, flags, variables and
// `config print` use them; the keys of outputs come from output/formats.hh.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "config/config.hh"
#include "config/key.hh"

namespace spiffe::config {

// Records: Config, JwtSvid, X509Svid.
[[nodiscard]] std::span<const Key> config_keys();
[[nodiscard]] std::span<const Key> jwt_svid_keys();
[[nodiscard]] std::span<const Key> x509_svid_keys();

// The row of config_keys() with this name (exact), or null.
[[nodiscard]] const Key* find_key(std::string_view name);

// "SPIFFE_HLP_HEALTH_CHECKS_BIND_PORT" and "health-checks-bind-port" of "health_checks.bind_port".
[[nodiscard]] std::string variable_name(const Key& key);
[[nodiscard]] std::string flag_name(const Key& key);

// The effective configuration: an object with every key of config_keys(), nested. Modes are octal strings,
// durations and signals strings; keys that are not set and have no default are null. agent_address is its
// URI.
[[nodiscard]] Value effective(const Config& config);

}  // namespace spiffe::config
