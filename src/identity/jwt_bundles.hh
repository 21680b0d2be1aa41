// The JWT authorities of every trust domain that a workload may verify tokens of: what a message of
// FetchJWTBundles means. Pure.
#pragma once

#include <map>
#include <vector>

#include "identity/finding.hh"
#include "identity/jwt_bundle.hh"
#include "identity/jwt_material.hh"

namespace spiffe::identity {

struct JwtBundles {
  std::map<TrustDomain, JwtBundle> bundles;
  std::vector<Finding> findings;

  // Rules 10 to 12 and 30. An empty message is refused, and one whose bundle of our own trust domain is
  // absent or cannot be read. Another domain's that cannot be read stays at its content in `previous` (may be
  // null; absent if none) with a finding. What did not change since `previous` is shared with it. `own` is
  // null while our trust domain is not known; then a message is refused where no bundle can be read.
  static Result<JwtBundles> from(const JwtBundlesMaterial& material, const TrustDomain* own,
                                 const JwtBundles* previous);

  // Null where there is none. Owned by this object.
  [[nodiscard]] const JwtBundle* find(const TrustDomain& trust_domain) const;
};

}  // namespace spiffe::identity
