// The X.509 authorities that an update adds and removes, for the log. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "base/log.hh"
#include "identity/x509_context.hh"

namespace spiffe::daemon {

struct BundleChanges {
  static constexpr std::size_t kMaxDomains = 32;     // domains that get their own line
  static constexpr std::size_t kMaxAuthorities = 8;  // authorities listed in a line

  // One line for each trust domain. Fields: event, change (added, removed, changed), trust_domain, and, if
  // there are any, authorities_added and authorities_removed: their SHA-256 fingerprints.
  std::vector<log::Fields> lines;
  std::size_t left_out = 0;  // changed trust domains without a line

  // If `before` is null, everything is added. Our own trust domain comes first.
  static BundleChanges between(const identity::X509Context* before, const identity::X509Context& after);
};

}  // namespace spiffe::daemon
