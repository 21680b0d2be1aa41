#include "output/trust_domains.hh"

#include "output/selected.hh"

namespace spiffe::output {

AuthoritiesByDomain authorities_by_domain(const Source& source, const EncodeOptions& options) {
  AuthoritiesByDomain out;
  const auto add = [&](const identity::X509Bundle& bundle) {
    std::vector<identity::Certificate>& kept = out[bundle.trust_domain];
    kept = bundle.authorities;
    if (options.omit_expired) drop_expired(kept, source.now);
  };
  add(source.identity.bundle);
  for (const auto& [domain, bundle] : source.identity.federated) add(bundle);
  return out;
}

}  // namespace spiffe::output
