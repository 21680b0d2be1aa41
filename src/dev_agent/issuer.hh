// The X.509 side of the trust domain: its authorities, in memory only, and the SVIDs they sign.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hh"
#include "dev_agent/certificate.hh"
#include "dev_agent/key.hh"
#include "identity/spiffe_id.hh"

namespace spiffe::dev_agent {

// One X.509-SVID on the wire; a fault may have made any of it wrong.
struct Svid {
  std::string spiffe_id;
  std::string certificates;  // concatenated DER, leaf first
  std::string key;           // PKCS#8 DER
  std::string bundle;        // concatenated DER
  std::string hint;
  std::string serial;  // of the leaf, hex; for the log and the status
};

class Issuer {
 public:
  struct Options {
    identity::TrustDomain trust_domain;
    KeyType key_type = KeyType::ec_p256;
    std::chrono::seconds ttl{3600};
    bool intermediate = false;       // SVIDs are signed by an intermediate authority
    bool cross_signed_root = false;  // roots are signed by an authority that is in no bundle
  };
  static Result<Issuer> create(Options options);

  // Adds a root, which signs from now on; of the older ones the bundle keeps the last.
  Result<> rotate_authority();

  // What an SVID of this ID looks like when nothing is wrong.
  [[nodiscard]] CertificateSpec spec(const std::string& spiffe_id) const;
  // Signs a certificate over a new key and puts both, and the serial, into `svid`.
  Result<> issue(const CertificateSpec& spec, Svid& svid) const;
  // The same, but signed by an authority of our root's name that nobody knows.
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
  Authority signer_;                // the root, or the intermediate below it
  std::string intermediates_;       // what follows the leaf, DER
  std::vector<std::string> roots_;  // DER, the newest last
  std::string bundle_;
};

}  // namespace spiffe::dev_agent
