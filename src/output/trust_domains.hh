// The authorities of an identity by trust domain, for outputs that separate domains. Pure.
#pragma once

#include <map>
#include <vector>

#include "output/format.hh"

namespace spiffe::output {

// Our own and the federated trust domains, sorted by name; each has at least one authority. With
// `omit_expired`, expired authorities are left out of a domain that also has valid ones.
using AuthoritiesByDomain = std::map<identity::TrustDomain, std::vector<identity::Certificate>>;
[[nodiscard]] AuthoritiesByDomain authorities_by_domain(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
