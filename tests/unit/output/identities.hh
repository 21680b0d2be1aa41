// Identities for the tests of encoders.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "identity/x509_context.hh"
#include "output/pem.hh"
#include "support/catch.hh"
#include "support/pki.hh"

namespace spiffe::output::test {

namespace pki = spiffe::test;

inline std::string pem(std::string_view label, std::span<const std::byte> der) {
  SecretBytes out;
  append_pem(out, label, der);
  return std::string(out.text());
}

// Requires that the material is accepted.
inline identity::X509Context context_of(const identity::X509Material& material, bool verify = true) {
  auto context = identity::X509Context::from(material, {}, nullptr, wall_now(), verify);
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
