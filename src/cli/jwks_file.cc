#include "cli/jwks_file.hh"

#include "base/base64.hh"
#include "base/text.hh"

namespace spiffe::cli {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxShown = 120;

std::unexpected<Error> refuse(std::string message) {
  return fail(ErrorKind::verification, std::move(message));
}

}  // namespace

BundleKind bundle_kind(const json& document) {
  if (!document.is_object()) return BundleKind::none;
  if (const auto keys = document.find("keys"); keys != document.end() && keys->is_array())
    return BundleKind::jwks;
  if (const auto domains = document.find("trust_domains"); domains != document.end() && domains->is_object())
    return BundleKind::bundle_map;
  if (document.empty()) return BundleKind::none;
  for (const json& value : document) {
    if (!value.is_string()) return BundleKind::none;
  }
  return BundleKind::jwt_bundles;
}

Result<identity::JwtBundlesMaterial> bundles_of(const json& document, std::string_view lone) {
  identity::JwtBundlesMaterial out;
  switch (bundle_kind(document)) {
    case BundleKind::none:
      return refuse("holds no JWK Set, and no map of them");
    case BundleKind::jwks:
      out.emplace(lone, document.dump());
      return out;
    case BundleKind::bundle_map:
      for (const auto& [domain, jwks] : document["trust_domains"].items()) out.emplace(domain, jwks.dump());
      return out;
    case BundleKind::jwt_bundles:
      for (const auto& [domain, encoded] : document.items()) {
        const auto jwks = base64_decode(encoded.get_ref<const std::string&>());
        if (!jwks) return refuse("the entry " + quote(domain, kMaxShown) + " is no base64");
        out.emplace(domain, jwks->text());
      }
      return out;
  }
  return refuse("holds nothing of use");
}

}  // namespace spiffe::cli
