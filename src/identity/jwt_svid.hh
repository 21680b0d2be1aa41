// A JWT-SVID: JWT-SVID standard, sections 2 to 4. A value of this type has passed rules 26 to 28. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hh"
#include "base/result.hh"
#include "base/secret.hh"
#include "identity/jwt_bundles.hh"
#include "identity/jwt_material.hh"
#include "identity/spiffe_id.hh"

namespace spiffe::identity {

struct JwtSvid {
  SecretBytes token;  // compact JWS, as it goes into a file
  SpiffeId id;        // the token's sub
  std::vector<std::string> audiences;
  WallTime expires_at;                // ends at WallTime::max()
  std::optional<WallTime> issued_at;  // iat, where the token has it
  std::string hint;                   // for the caller to fill in

  // Rules 26 to 28. The signature is checked against the bundle of the trust domain of `sub`; `sub` must be
  // `spiffe_id` unless that is empty; `aud` must hold each of `audiences`. exp must lie ahead of `now`; nbf
  // and iat may lie 60 s ahead. Errors (kind verification) repeat nothing of the token but alg, typ, kid, aud
  // and sub, quoted and cut.
  static Result<JwtSvid> parse_and_verify(SecretBytes token, std::span<const std::string> audiences,
                                          std::string_view spiffe_id, const JwtBundles& bundles,
                                          WallTime now);
};

// Which token of an answer is the one with this hint and this SPIFFE ID; each may be empty, which any
// matches. Rule 13: of several the first. Rule 12: an error where the answer is empty or holds an empty
// field, its kind verification. None that matches: kind no_identity.
[[nodiscard]] Result<std::size_t> select_jwt_svid(std::span<const JwtSvidMaterial> svids,
                                                  std::string_view hint, std::string_view spiffe_id);

}  // namespace spiffe::identity
