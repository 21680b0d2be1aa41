// JWT authorities from a file: one JWK Set, a map of them (SPIFFE bundle map), or what the helper writes as
// jwt_bundle_file_name. Pure.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.hh"
#include "cli/input_file.hh"
#include "identity/jwt_bundles.hh"

namespace spiffe::cli {

enum class BundleKind {
  none,
  jwks,         // {"keys": […]}
  bundle_map,   // {"trust_domains": {"example.org": {"keys": […]}}}
  jwt_bundles,  // {"example.org": "<base64 of a JWK Set>"}
};
[[nodiscard]] BundleKind bundle_kind(const nlohmann::json& document);

// Trust domain as it stands there -> JWK Set. A lone JWK Set, which names none, is that of `lone`.
[[nodiscard]] Result<identity::JwtBundlesMaterial> bundles_of(const nlohmann::json& document,
                                                              std::string_view lone);

}  // namespace spiffe::cli
