#include "output/selected.hh"

namespace spiffe::output {

using identity::Certificate;

std::span<const Certificate> chain_of(const Source& source, const EncodeOptions& options) {
  const std::span<const Certificate> chain = source.identity.svid.chain;
  return chain.first(options.add_intermediates_to_bundle ? 1 : chain.size());
}

std::vector<Authority> authorities_of(const Source& source, const EncodeOptions& options) {
  const identity::X509Context& identity = source.identity;
  std::vector<Authority> all;
  const auto add = [&all](std::span<const Certificate> certificates, const identity::TrustDomain& domain) {
    for (const Certificate& each : certificates) all.push_back({each, domain.name()});
  };
  const identity::TrustDomain& own = identity.bundle.trust_domain;
  add(identity.bundle.authorities, own);
  if (options.add_intermediates_to_bundle) add(std::span(identity.svid.chain).subspan(1), own);
  if (options.include_federated_domains) {
    for (const auto& [domain, bundle] : identity.federated) add(bundle.authorities, domain);
  }
  if (options.omit_expired) drop_expired(all, source.now, &Authority::certificate);
  return all;
}

}  // namespace spiffe::output
