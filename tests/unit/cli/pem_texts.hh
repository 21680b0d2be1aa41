// Files for the tests of show and verify.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "output/encode_key.hh"
#include "output/pem.hh"
#include "support/catch.hh"
#include "support/pki.hh"

namespace spiffe::test {

inline std::string pem(std::span<const std::byte> der, std::string_view label = "CERTIFICATE") {
  SecretBytes out;
  output::append_pem(out, label, der);
  return std::string(out.text());
}

// SEC 1 or PKCS#1.
inline std::string traditional(const Key& key) {
  SecretBytes out;
  REQUIRE(output::append_key(out, key.pkcs8(), output::KeyFormat::traditional));
  return std::string(out.text());
}

}  // namespace spiffe::test
