// An X.509-SVID: X509-SVID standard, sections 2 to 5. What parse() gives has passed rules 18 to 21 and 23 of
// the checks, what split() gives none yet; verify_chain() adds the chain (rule 22). Pure.
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

  // Non-fatal findings (an EKU that lacks clientAuth, a short RSA key …) go to `warnings`. Certificates that
  // `known` holds already are shared with it.
  static Result<X509Svid> parse(const X509SvidMaterial& material, std::vector<std::string>& warnings,
                                std::span<const Certificate> known = {});

  // All of parse() but rule 20, which takes arithmetic.
  static Result<X509Svid> read(const X509SvidMaterial& material, std::vector<std::string>& warnings,
                               std::span<const Certificate> known = {});
  [[nodiscard]] Result<void> check_key() const;

  // The two halves of read(): what can be written down, at once, and whether it may be.
  static Result<X509Svid> split(const X509SvidMaterial& material, std::span<const Certificate> known = {});
  [[nodiscard]] Result<void> check(std::vector<std::string>& warnings) const;

  [[nodiscard]] const Certificate& leaf() const { return chain.front(); }
  // The earliest NotAfter of the leaf and of the intermediates that can have signed it: one that ended before
  // the leaf began, as an old cross-signature, has no part in it.
  [[nodiscard]] WallTime not_after() const;
};

// Whose SVID a certificate is: its one URI SAN, a SPIFFE ID with a path (rule 18).
[[nodiscard]] Result<SpiffeId> leaf_id(const Certificate& leaf);

// Why a chain does not verify, and whether waiting helps.
struct ChainRefusal {
  Error error;                         // kind verification
  std::optional<WallTime> valid_from;  // set where nothing but a NotBefore ahead of `now` is wrong
};

// Rule 22: the chain against the authorities at `now`; partial chains, no CRLs, no purpose, no host trust
// store.
[[nodiscard]] std::expected<void, ChainRefusal> verify_chain(const X509Svid& svid, const X509Bundle& bundle,
                                                             WallTime now);

}  // namespace spiffe::identity
