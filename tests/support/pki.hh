// A certificate authority in memory, for tests. Failures throw std::runtime_error.
//
//   test::Ca ca;                                              // "example.org", EC P-256
//   auto material = test::material(ca, "spiffe://example.org/web");
//   test::Ca server = ca.intermediate();                      // what it issues carries the intermediate
//   along test::Issued odd = ca.issue({.uris = {"spiffe://example.org/a", "spiffe://example.org/b"}});
#pragma once

#include <chrono>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hh"
#include "base/openssl.hh"
#include "base/secret.hh"
#include "identity/x509_material.hh"

namespace spiffe::test {

enum class KeyType {
  ec_p256,
  ec_p256_unnamed,  // the curve's parameters are written out
  ec_p384,
  ec_p521,
  ec_secp256k1,
  ec_p224,
  rsa_1024,
  rsa_2048,
  ed25519,
  ed448
};

class Key {
 public:
  static Key generate(KeyType type = KeyType::ec_p256);
  [[nodiscard]] EVP_PKEY* get() const { return key_.get(); }
  [[nodiscard]] SecretBytes pkcs8() const;  // unencrypted PKCS#8 DER

 private:
  explicit Key(EVP_PKEY* key) : key_(key, EVP_PKEY_free) {}
  std::shared_ptr<EVP_PKEY> key_;
};

// An extension as OpenSSL's configuration value: {NID_name_constraints, "critical,permitted;URI:…"}.
struct Extension {
  int nid;
  std::string value;
};

// The defaults make an X.509-SVID leaf, valid from a minute ago for an hour.
struct CertificateOptions {
  std::vector<std::string> uris = {};    // URI SANs, byte for byte
  std::vector<std::string> dns = {};     // DNS SANs
  std::string common_name = "workload";  // "": a subject without any name
  WallTime not_before = wall_now() - std::chrono::minutes(1);
  WallTime not_after = wall_now() + std::chrono::hours(1);
  std::optional<bool> ca = false;                       // basicConstraints cA; none: no such extension
  std::string key_usage = "critical,digitalSignature";  // "" leaves the extension out
  std::string ext_key_usage = "serverAuth,clientAuth";  // likewise
  std::vector<Extension> extensions = {};               // any others
  bool key_ids = true;                                  // subject and authority key identifiers
  KeyType key_type = KeyType::ec_p256;
  std::optional<Key> key = {};  // instead of a new key of `key_type`
};

// An authority: cA=true, keyCertSign and cRLSign, valid from a day ago for ten days.
CertificateOptions authority_options(std::string common_name = "Test CA");

// For tests whose clock is fixed at kNow: a valid authority, and a valid leaf with this one URI SAN.
inline constexpr WallTime kNow{std::chrono::seconds(1767323045)};  // 2026-01-02T03:04:05Z
CertificateOptions authority(std::string common_name = "Test CA");
CertificateOptions leaf(std::string spiffe_id = "spiffe://example.org/web");

struct Issued {
  identity::Bytes der;                         // this certificate alone
  std::vector<identity::Bytes> intermediates;  // from its issuer up, without the root
  Key key;

  [[nodiscard]] identity::Bytes chain() const;  // der and the intermediates, concatenated
};

class Ca {
 public:
  // A self-signed root.
  explicit Ca(CertificateOptions options = authority_options());
  // An authority signed by this one; alone in a bundle it is a root that is not self-signed.
  [[nodiscard]] Ca intermediate(CertificateOptions options = authority_options("Test intermediate")) const;
  [[nodiscard]] Issued issue(const CertificateOptions& options) const;
  // A valid leaf with this one URI SAN.
  [[nodiscard]] Issued issue(std::string_view spiffe_id) const;

  [[nodiscard]] const identity::Bytes& der() const { return self_.der; }       // this authority alone
  [[nodiscard]] const identity::Bytes& root_der() const { return root_der_; }  // the root above it, or itself
  [[nodiscard]] const Key& key() const { return self_.key; }

 private:
  Ca(Issued self, identity::Bytes root_der) : self_(std::move(self)), root_der_(std::move(root_der)) {}
  Issued self_;
  identity::Bytes root_der_;
};

// A valid SVID from `ca` whose bundle is the root of `ca`.
identity::X509SvidMaterial svid_material(const Ca& ca, std::string_view spiffe_id, std::string hint = {});
identity::X509SvidMaterial svid_material(const Ca& ca, const CertificateOptions& options);
// A message with only that SVID.
identity::X509Material material(const Ca& ca, std::string_view spiffe_id, std::string hint = {});

identity::Bytes concat(std::initializer_list<identity::Bytes> parts);
identity::Bytes bytes(std::string_view text);

}  // namespace spiffe::test
