// Which X.509 authorities an update brings and takes away, for the log. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "base/log.hh"
#include "identity/x509_context.hh"

namespace spiffe::daemon {

struct BundleChanges {
  static constexpr std::size_t kMaxDomains = 32;     // that get a line of their own
  static constexpr std::size_t kMaxAuthorities = 8;  // that a line names

  // The fields of a line for each trust domain: event, change (added, removed, changed), trust_domain,
  // authorities_added and authorities_removed, as far as there are any: their SHA-256 fingerprints.
  std::vector<log::Fields> lines;
  std::size_t left_out = 0;  // trust domains that changed as well

  // `before` may be null: then everything is added. Our own trust domain comes first.
  static BundleChanges between(const identity::X509Context* before, const identity::X509Context& after);
};

}  // namespace spiffe::daemon
