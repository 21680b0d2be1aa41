// Which certificates of an identity its outputs hold, as the options choose them. Pure.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "output/format.hh"

namespace spiffe::output {

// Expired certificates go, unless all are: a consumer cannot load an empty file, and an expired authority
// verifies nobody. `certificate`: from an element to its certificate.
template <class T, class Projection = std::identity>
void drop_expired(std::vector<T>& all, WallTime now, Projection certificate = {}) {
  const auto expired = [&](const T& each) { return std::invoke(certificate, each).not_after() < now; };
  if (!std::ranges::all_of(all, expired)) std::erase_if(all, expired);
}

// The leaf, then its intermediates.
[[nodiscard]] std::span<const identity::Certificate> chain_of(const Source& source,
                                                              const EncodeOptions& options);

// An authority, and the trust domain that it may speak for.
struct Authority {
  identity::Certificate certificate;
  std::string trust_domain;
};

// The own ones, then intermediates (if asked), then federated ones (if asked). Never empty.
[[nodiscard]] std::vector<Authority> authorities_of(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
