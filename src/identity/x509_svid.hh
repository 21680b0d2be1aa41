// An X.509-SVID: X509-SVID standard, sections 2 to 5. The checks are separate steps, because writing the
// files can begin before they are done: split() only parses, check() verifies the certificates, check_key()
// the private key, and verify_chain() the chain. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/secret.hh"
#include "identity/certificate.hh"
#include "identity/spiffe_id.hh"
#include "identity/x509_bundle.hh"
#include "identity/x509_material.hh"

namespace spiffe::identity {

struct X509Svid {
  SpiffeId id;
  std::vector<Certificate> chain;  // leaf first, then intermediates; never empty
  SecretBytes key;                 // PKCS#8 DER, unencrypted, matches the leaf (see check_key())
  std::string hint;

  // split(), check() and check_key(). Problems that do not refuse it (an EKU without clientAuth, a short RSA
  // key …) are added to `warnings`. Certificates that are in `known` are shared with it.
  static Result<X509Svid> parse(const X509SvidMaterial& material, std::vector<std::string>& warnings,
                                std::span<const Certificate> known = {});

  // As parse(), but without check_key(), which takes most of the time.
  static Result<X509Svid> read(const X509SvidMaterial& material, std::vector<std::string>& warnings,
                               std::span<const Certificate> known = {});
  [[nodiscard]] Result<void> check_key() const;

  // The two halves of read(): split() parses everything needed to write the files, check() decides whether
  // they may be published.
  static Result<X509Svid> split(const X509SvidMaterial& material, std::span<const Certificate> known = {});
  [[nodiscard]] Result<void> check(std::vector<std::string>& warnings) const;

  [[nodiscard]] const Certificate& leaf() const { return chain.front(); }
  // The earliest NotAfter of the leaf and of the intermediates that can have signed it. An intermediate that
  // expired before the leaf's NotBefore, such as an old cross-signature, does not count.
  [[nodiscard]] WallTime not_after() const;
};

// The SPIFFE ID of a leaf: its only URI SAN, with a path.
[[nodiscard]] Result<SpiffeId> leaf_id(const Certificate& leaf);

// Why a chain does not verify, and the time from which it will.
struct ChainRefusal {
  Error error;                         // kind verification
  std::optional<WallTime> valid_from;  // set if the only error is a NotBefore after `now`
};

// Checks that the chain leads to one of the authorities and is valid at `now` (RFC 5280, section 6). An
// authority need not be self-signed; CRLs, purposes and the host's trust store are not used.
[[nodiscard]] std::expected<void, ChainRefusal> verify_chain(const X509Svid& svid, const X509Bundle& bundle,
                                                             WallTime now);

}  // namespace spiffe::identity
