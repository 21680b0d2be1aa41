// A JWS in compact serialization: RFC 7515, sections 3.1 and 5.2, with the algorithms that a JWT-SVID may use
// (RFC 7518, sections 3.3 to 3.5). Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hh"
#include "base/secret.hh"
#include "identity/jwt_authority.hh"

namespace spiffe::identity {

// RSA with PKCS #1 v1.5 (RS) or PSS (PS), ECDSA on the curve that RFC 7518 pairs with the digest.
enum class JwsAlgorithm { rs256, rs384, rs512, es256, es384, es512, ps256, ps384, ps512 };

struct Jws {
  JwsAlgorithm algorithm = JwsAlgorithm::rs256;
  std::string key_id;            // kid, "" if absent
  SecretBytes payload;           // not to be trusted before verify()
  SecretBytes signature;         // as sent: for ECDSA r and s side by side
  std::string_view signed_text;  // header and payload as sent; inside the token given to parse()

  // Accepts three base64url parts without padding, one of the nine algorithms, and a typ that is absent,
  // "JWT" or "JOSE" (JWT-SVID, section 2); a crit header is refused, since no extension is supported. `token`
  // must outlive the result. Errors (kind verification) quote only alg and typ of the token, escaped and
  // truncated.
  static Result<Jws> parse(std::string_view token);

  // Checks that `authority` made the signature. Its kind must match the algorithm, so that a token cannot
  // choose how a key is used.
  [[nodiscard]] Result<void> verify(const JwtAuthority& authority) const;
};

[[nodiscard]] std::string_view algorithm_name(JwsAlgorithm algorithm);

}  // namespace spiffe::identity
