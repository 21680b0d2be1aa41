// Verdicts on identities in files. Pure: the files' text is given.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hh"
#include "base/result.hh"
#include "base/secret.hh"
#include "identity/x509_svid.hh"

namespace spiffe::cli {

struct Verified {
  std::string spiffe_id;
  WallTime not_after;                 // of a chain the earliest
  std::vector<std::string> warnings;  // "the leaf's extended key usage lacks …"
};

// The certificates in a PEM text or PKCS#12, concatenated. `password`: as pkcs12_blocks() takes it.
[[nodiscard]] Result<identity::Bytes> certificates_of(std::string_view content,
                                                      const SecretBytes* password = nullptr);

// The trust domain of the leaf in `svid`.
[[nodiscard]] Result<identity::TrustDomain> trust_domain_of(std::string_view svid,
                                                            const SecretBytes* password = nullptr);

// Rules 18, 19 and 22 to 25 on the certificates in `svid`, leaf first, with the authorities in `bundle`: PEM,
// PKCS#12, or a bundle map or JWK Set, of which the SVID's trust domain counts; and rule 20 where a private
// key stands among them. `id`, where set, is who it must be. Error kind verification: the verdict is no; kind
// failed: there can be none, since `bundle` is no bundle.
[[nodiscard]] Result<Verified> verify_x509(std::string_view svid, std::string_view bundle,
                                           const std::optional<identity::SpiffeId>& id, WallTime now,
                                           const SecretBytes* password = nullptr);

// Rules 24 to 28 on a token. `bundle` as bundles_of() takes it. Errors likewise.
[[nodiscard]] Result<Verified> verify_jwt(std::string_view token, std::span<const std::string> audiences,
                                          std::string_view bundle,
                                          const std::optional<identity::SpiffeId>& id, WallTime now);

}  // namespace spiffe::cli
