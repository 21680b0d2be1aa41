// Verifies identities in files. Pure: the caller reads the files.
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
  WallTime not_after;                 // of a chain, the earliest one
  std::vector<std::string> warnings;  // "the leaf's extended key usage lacks …"
};

// The certificates of a PEM text or PKCS#12 file, concatenated. `password` as for pkcs12_blocks().
[[nodiscard]] Result<identity::Bytes> certificates_of(std::string_view content,
                                                      const SecretBytes* password = nullptr);

// The trust domain of the leaf in `svid`.
[[nodiscard]] Result<identity::TrustDomain> trust_domain_of(std::string_view svid,
                                                            const SecretBytes* password = nullptr);

// Verifies the certificates in `svid` as an X.509-SVID (X509-SVID, sections 2 to 5): leaf first, then
// intermediates, and a chain to an authority in `bundle` at `now`. If `svid` also has a private key, it must
// be the leaf's. `bundle` is PEM, PKCS#12, a bundle map or a JWK Set; from a bundle map, the SVID's trust
// domain is used. `id`, if set, must be the SPIFFE ID. Errors: kind verification if the SVID is not valid,
// kind failed if `bundle` is not a bundle, so that there is no verdict.
[[nodiscard]] Result<Verified> verify_x509(std::string_view svid, std::string_view bundle,
                                           const std::optional<identity::SpiffeId>& id, WallTime now,
                                           const SecretBytes* password = nullptr);

// Verifies a token as a JWT-SVID (JWT-SVID, sections 2 to 4). `bundle` is a JWK Set, a bundle map or a JWT
// bundle file of the helper. Errors as above.
[[nodiscard]] Result<Verified> verify_jwt(std::string_view token, std::span<const std::string> audiences,
                                          std::string_view bundle,
                                          const std::optional<identity::SpiffeId>& id, WallTime now);

}  // namespace spiffe::cli
