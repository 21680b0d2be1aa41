// Selects the certificates of an identity for its outputs, by the options. Pure.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "output/format.hh"

namespace spiffe::output {

// Drops expired certificates, unless all are expired: a consumer cannot load an empty file, and no
// certificate verifies with an expired authority. `certificate` maps an element to its certificate.
template <class T, class Projection = std::identity>
void drop_expired(std::vector<T>& all, WallTime now, Projection certificate = {}) {
  const auto expired = [&](const T& each) { return std::invoke(certificate, each).not_after() < now; };
  if (!std::ranges::all_of(all, expired)) std::erase_if(all, expired);
}

// The leaf, then its intermediates.
[[nodiscard]] std::span<const identity::Certificate> chain_of(const Source& source,
                                                              const EncodeOptions& options);

// An authority, and the trust domain that it is valid for.
struct Authority {
  identity::Certificate certificate;
  std::string trust_domain;
};

// Our own, then intermediates (if asked), then federated ones (if asked). Never empty.
[[nodiscard]] std::vector<Authority> authorities_of(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
