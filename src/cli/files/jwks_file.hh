// JWT authorities from a file: a JWK Set, a map of them (SPIFFE bundle map), or a jwt_bundle_file_name of the
// helper. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.hh"
#include "cli/files/input_file.hh"
#include "identity/jwt_bundles.hh"

namespace spiffe::cli {

enum class BundleKind {
  none,
  jwks,         // {"keys": […]}
  bundle_map,   // {"trust_domains": {"example.org": {"keys": […]}}}
  jwt_bundles,  // {"example.org": "<base64 of a JWK Set>"}
};
[[nodiscard]] BundleKind bundle_kind(const nlohmann::json& document);

// A JWK Set of a file, and its trust domain as written there. Parsed, but not checked.
struct NamedSet {
  std::string domain;  // "" for a lone set, which contains no name
  nlohmann::json jwks;
};
// Splits `document`. Error kind verification.
[[nodiscard]] Result<std::vector<NamedSet>> sets_of(nlohmann::json document);

// The JWT authorities in `sets`; a lone set belongs to `lone`. Keys that cannot be parsed become findings.
[[nodiscard]] identity::JwtBundles bundles_of(const std::vector<NamedSet>& sets, std::string_view lone);

}  // namespace spiffe::cli
