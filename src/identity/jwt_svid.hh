// A verified JWT-SVID: JWT-SVID standard, sections 2 to 4. Pure.
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
  WallTime expires_at;                // at most WallTime::max()
  std::optional<WallTime> issued_at;  // iat, if the token has it
  std::string hint;                   // set by the caller

  // The signature must verify with the bundle of the trust domain of `sub` (Workload API, section 6.3). `sub`
  // must be `spiffe_id` unless that is empty; `aud` must hold each of `audiences`. exp must be after `now`;
  // nbf and iat may be up to 60 s after it. Errors (kind verification) quote only alg, typ, kid, aud and sub
  // of the token, truncated.
  static Result<JwtSvid> parse_and_verify(SecretBytes token, std::span<const std::string> audiences,
                                          std::string_view spiffe_id, const JwtBundles& bundles,
                                          WallTime now);
};

// The index of the first token with this hint and this SPIFFE ID; an empty one matches any token. Errors:
// kind verification if the answer is empty or has an empty mandatory field, in any token (Workload API,
// section 4.5); kind no_identity if no token matches.
[[nodiscard]] Result<std::size_t> select_jwt_svid(std::span<const JwtSvidMaterial> svids,
                                                  std::string_view hint, std::string_view spiffe_id);

}  // namespace spiffe::identity
