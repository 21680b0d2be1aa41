// The X.509 authorities of the trust domain, in memory only, and the SVIDs that they sign.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hh"
#include "dev_agent/certificate.hh"
#include "dev_agent/key.hh"
#include "identity/spiffe_id.hh"

namespace spiffe::dev_agent {

// One X.509-SVID as it is sent. A fault may have spoiled any member.
struct Svid {
  std::string spiffe_id;
  std::string certificates;  // concatenated DER, leaf first
  std::string key;           // PKCS#8 DER
  std::string bundle;        // concatenated DER
  std::string hint;
  std::string serial;  // of the leaf, in hex; for the log and the status
};

class Issuer {
 public:
  struct Options {
    identity::TrustDomain trust_domain;
    KeyType key_type = KeyType::ec_p256;
    std::chrono::seconds ttl{3600};
    bool intermediate = false;       // SVIDs are signed by an intermediate CA
    bool cross_signed_root = false;  // roots are signed by an authority that is in no bundle
  };
  static Result<Issuer> create(Options options);

  // Adds a root, which signs from now on. The bundle contains it and the one before.
  Result<> rotate_authority();

  // The requirements of a valid SVID with this ID.
  [[nodiscard]] CertificateSpec spec(const std::string& spiffe_id) const;
  // Signs a certificate over a new key and puts both, and the serial, into `svid`.
  Result<> issue(const CertificateSpec& spec, Svid& svid) const;
  // The same, but signed by an unknown CA with the name of our root.
  Result<> issue_by_stranger(const CertificateSpec& spec, Svid& svid) const;

  // An empty revocation list, DER.
  [[nodiscard]] Result<std::string> crl() const { return make_crl(signer_); }

  [[nodiscard]] const std::string& bundle() const { return bundle_; }  // concatenated DER
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  explicit Issuer(Options options) : options_(std::move(options)) {}
  [[nodiscard]] std::string root_name() const { return options_.trust_domain.name() + " root"; }
  Result<> sign(const CertificateSpec& spec, const Authority& authority, const std::string& rest,
                Svid& svid) const;

  Options options_;
  Authority signer_;                // the root, or the intermediate CA below it
  std::string intermediates_;       // the certificates after the leaf, DER
  std::vector<std::string> roots_;  // DER, the newest last
  std::string bundle_;
};

}  // namespace spiffe::dev_agent
