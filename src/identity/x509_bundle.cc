#include "identity/x509_bundle.hh"

#include <algorithm>

#include "base/text.hh"

namespace spiffe::identity {

Result<X509Bundle> X509Bundle::parse(TrustDomain trust_domain, std::span<const std::byte> der,
                                     std::span<const Certificate> known) {
  const auto named = [&trust_domain](Error error) {
    return fail(context("bundle of " + quote(trust_domain.name()), std::move(error)));
  };
  auto authorities = Certificate::parse_concatenated(der, Certificate::Keep::der_only, known);
  if (!authorities) return named(std::move(authorities).error());
  if (authorities->empty()) return named({ErrorKind::verification, "holds no certificate"});
  return X509Bundle{std::move(trust_domain), *std::move(authorities)};
}

bool X509Bundle::is(std::span<const std::byte> der) const {
  for (const Certificate& authority : authorities) {
    const Bytes& own = authority.der();
    if (der.size() < own.size() || !std::ranges::equal(own, der.first(own.size()))) return false;
    der = der.subspan(own.size());
  }
  return der.empty();
}

WallTime X509Bundle::not_after() const {
  return earliest_end(authorities);
}

}  // namespace spiffe::identity
