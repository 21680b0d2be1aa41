// The authorities of an identity by trust domain, for outputs that keep domains apart. Pure.
#pragma once

#include <map>
#include <vector>

#include "output/format.hh"

namespace spiffe::output {

// Own and federated trust domains, sorted by name; none is without authorities. With `omit_expired` each
// domain's expired ones are left out, but for a domain that has no others.
using AuthoritiesByDomain = std::map<identity::TrustDomain, std::vector<identity::Certificate>>;
[[nodiscard]] AuthoritiesByDomain authorities_by_domain(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
