// JWT authorities from a file: one JWK Set, a map of them (SPIFFE bundle map), or what the helper writes as
// jwt_bundle_file_name. Pure.
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

// A JWK Set of a file, and the trust domain as it is written there. Parsed, and nothing more.
struct NamedSet {
  std::string domain;  // "" for a lone one, which names none
  nlohmann::json jwks;
};
// Takes `document` apart. Error kind verification.
[[nodiscard]] Result<std::vector<NamedSet>> sets_of(nlohmann::json document);

// The JWT authorities in `sets`; a lone set is that of `lone`. What cannot be read is a finding.
[[nodiscard]] identity::JwtBundles bundles_of(const std::vector<NamedSet>& sets, std::string_view lone);

}  // namespace spiffe::cli
