// Makes X.509 certificates, good ones and, where asked, ones that no SVID may look like.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/openssl.hh"
#include "base/result.hh"

namespace spiffe::dev_agent {

struct CertificateSpec {
  std::string common_name;
  std::vector<std::string> uris;  // one URI SAN each; without any there is no SAN
  WallTime not_before;
  WallTime not_after;
  bool ca = false;        // basicConstraints cA
  bool signs_ca = false;  // keyUsage of an authority (keyCertSign, cRLSign) instead of a leaf's
};

// A certificate authority: its key and its certificate.
struct Authority {
  PkeyPtr key;
  X509Ptr certificate;
};

// Signed by `issuer`, or by its own key where `issuer` is null.
[[nodiscard]] Result<X509Ptr> make_certificate(const CertificateSpec& spec, EVP_PKEY* key,
                                               const Authority* issuer);
// A new EC P-256 authority that lasts ten years. `spiffe_id` goes into the SAN where it is not empty.
[[nodiscard]] Result<Authority> make_authority(const std::string& common_name, const std::string& spiffe_id,
                                               const Authority* issuer);

// An empty revocation list of `issuer`, DER.
[[nodiscard]] Result<std::string> make_crl(const Authority& issuer);

[[nodiscard]] std::string der(X509* certificate);
[[nodiscard]] std::string serial_hex(const X509* certificate);  // lower case

}  // namespace spiffe::dev_agent
