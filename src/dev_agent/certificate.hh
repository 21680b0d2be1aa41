// Makes X.509 certificates: valid ones, and on request ones that are not valid as SVIDs.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/openssl.hh"
#include "base/result.hh"

namespace spiffe::dev_agent {

struct CertificateSpec {
  std::string common_name;
  std::vector<std::string> uris;  // one URI SAN each; empty: no SAN
  WallTime not_before;
  WallTime not_after;
  bool ca = false;        // basicConstraints cA
  bool signs_ca = false;  // keyUsage of a CA (keyCertSign, cRLSign) instead of a leaf
};

// A certificate authority: its key and its certificate.
struct Authority {
  PkeyPtr key;
  X509Ptr certificate;
};

// Signed by `issuer`, or self-signed if `issuer` is null.
[[nodiscard]] Result<X509Ptr> make_certificate(const CertificateSpec& spec, EVP_PKEY* key,
                                               const Authority* issuer);
// A new EC P-256 authority that lasts ten years. `spiffe_id` goes into the SAN unless it is empty.
[[nodiscard]] Result<Authority> make_authority(const std::string& common_name, const std::string& spiffe_id,
                                               const Authority* issuer);

// An empty revocation list of `issuer`, DER.
[[nodiscard]] Result<std::string> make_crl(const Authority& issuer);

[[nodiscard]] std::string der(X509* certificate);
[[nodiscard]] std::string serial_hex(const X509* certificate);  // lower case

}  // namespace spiffe::dev_agent
