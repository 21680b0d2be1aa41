// The JWT authorities of every trust domain whose tokens a workload may verify: a parsed message of
// FetchJWTBundles (Workload API, section 6.2.2). Pure.
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

  // The message is refused if it is empty, or if the bundle of our own trust domain is absent or cannot be
  // read. A bundle of another domain that cannot be read is replaced by the one in `previous` (may be null)
  // or left out, with a finding: a mistake in a foreign domain must not stop ours. Unchanged bundles are
  // shared with `previous`. `own` is null while our trust domain is not known; then the message is refused
  // only if none of its bundles can be read.
  static Result<JwtBundles> from(const JwtBundlesMaterial& material, const TrustDomain* own,
                                 const JwtBundles* previous);

  // Null if there is none. Owned by this object.
  [[nodiscard]] const JwtBundle* find(const TrustDomain& trust_domain) const;
};

}  // namespace spiffe::identity
