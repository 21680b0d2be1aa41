// Identities for the tests of encoders.
#pragma once

#include "identity/x509_context.hh"
#include "support/catch.hh"
#include "support/pki.hh"

namespace spiffe::output::test {

namespace pki = spiffe::test;

// Requires that the material is accepted.
inline identity::X509Context context_of(const identity::X509Material& material) {
  auto context = identity::X509Context::from(material, {}, nullptr, wall_now(), true);
  INFO((context ? "" : context.error().error.message));
  REQUIRE(context);
  return std::move(*context);
}

// A valid authority with a key of this type.
inline pki::CertificateOptions ca_options(pki::KeyType type) {
  pki::CertificateOptions options = pki::authority_options();
  options.key_type = type;
  return options;
}

}  // namespace spiffe::output::test
