#include "output/jwt_bundle_file.hh"

#include "base/base64.hh"

namespace spiffe::output {

std::string jwt_bundle_file(const identity::JwtBundles& bundles) {
  std::string out = "{";
  for (const auto& [domain, bundle] : bundles.bundles) {
    if (out.size() > 1) out += ',';
    // A trust domain's name contains nothing that JSON would escape.
    out += '"' + domain.name() + "\":\"" + base64_encode(bundle.jwks()) + '"';
  }
  return out + '}';
}

}  // namespace spiffe::output
