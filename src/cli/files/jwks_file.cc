#include "cli/files/jwks_file.hh"

#include "base/base64.hh"
#include "base/text.hh"
#include "cli/text/cat.hh"
#include "identity/json.hh"
#include "identity/refusal.hh"

namespace spiffe::cli {

using identity::refuse;
using identity::sent_name;
using identity::shown;
using nlohmann::json;

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

Result<std::vector<NamedSet>> sets_of(json document) {
  std::vector<NamedSet> out;
  const BundleKind kind = bundle_kind(document);
  if (kind == BundleKind::none) return refuse("is neither a JWK Set nor a map of JWK Sets");
  if (kind == BundleKind::jwks) {
    out.push_back({{}, std::move(document)});
    return out;
  }
  json& entries = kind == BundleKind::bundle_map ? document["trust_domains"] : document;
  for (auto& [domain, value] : entries.get_ref<json::object_t&>()) {
    if (kind == BundleKind::bundle_map) {
      out.push_back({domain, std::move(value)});
      continue;
    }
    const auto text = base64_decode(value.get_ref<const std::string&>());
    if (!text) return refuse(cat({"the entry ", shown(domain), " is not base64"}));
    auto set = identity::parse_json(text->text(), text->size());
    if (!set) return fail(context("the entry " + shown(domain), set.error()));
    out.push_back({domain, *std::move(set)});
  }
  return out;
}

identity::JwtBundles bundles_of(const std::vector<NamedSet>& sets, std::string_view lone) {
  identity::JwtBundles out;
  for (const NamedSet& set : sets) {
    const std::string_view name = set.domain.empty() ? lone : std::string_view(set.domain);
    const auto domain = identity::TrustDomain::parse_name_or_id(name);
    auto bundle = domain ? identity::JwtBundle::from(*domain, set.jwks) : fail(domain.error());
    if (!bundle) {
      out.findings.push_back({sent_name(name), bundle.error().message});
      continue;
    }
    for (const std::string& why : bundle->left_out()) out.findings.push_back({domain->name(), why});
    out.bundles.insert_or_assign(*domain, *std::move(bundle));
  }
  return out;
}

}  // namespace spiffe::cli
