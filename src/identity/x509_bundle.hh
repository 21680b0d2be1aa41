// The X.509 authorities of one trust domain: SPIFFE Trust Domain and Bundle standard, section 4. Pure.
#pragma once

#include <span>
#include <vector>

#include "identity/certificate.hh"
#include "identity/spiffe_id.hh"

namespace spiffe::identity {

struct X509Bundle {
  TrustDomain trust_domain;
  std::vector<Certificate> authorities;  // in the agent's order

  // `der` is concatenated certificates; empty is an error ("holds no certificate"). Authorities that are in
  // `known` are shared with it.
  static Result<X509Bundle> parse(TrustDomain trust_domain, std::span<const std::byte> der,
                                  std::span<const Certificate> known = {});

  // Whether `der` is exactly these authorities in this order.
  [[nodiscard]] bool is(std::span<const std::byte> der) const;

  // The earliest NotAfter of its authorities.
  [[nodiscard]] WallTime not_after() const;
};

}  // namespace spiffe::identity
