// A signed text in JWS Compact Serialization: RFC 7515, sections 3.1 and 5.2, with the algorithms that
// JWT-SVIDs may have (RFC 7518, sections 3.3 to 3.5). Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hh"
#include "base/secret.hh"
#include "identity/jwt_authority.hh"

namespace spiffe::identity {

// How a signature is made; RSA with PKCS #1 v1.5 or PSS, ECDSA on the curve that goes with the digest.
enum class JwsAlgorithm { rs256, rs384, rs512, es256, es384, es512, ps256, ps384, ps512 };

struct Jws {
  JwsAlgorithm algorithm = JwsAlgorithm::rs256;
  std::string key_id;            // kid, "" where absent
  SecretBytes payload;           // not trusted before verify()
  SecretBytes signature;         // as sent: for ECDSA r and s side by side
  std::string_view signed_text;  // header and payload as sent; inside the token given to parse()

  // Rule 26: three base64url parts without padding; alg one of the nine; typ absent, "JWT" or "JOSE"; no
  // crit. `token` must outlive the result. Errors (kind verification) repeat nothing of the token but alg
  // and typ, escaped and cut.
  static Result<Jws> parse(std::string_view token);

  // Whether `authority` made the signature; its kind must be the algorithm's. The error says why not.
  [[nodiscard]] Result<void> verify(const JwtAuthority& authority) const;
};

[[nodiscard]] std::string_view algorithm_name(JwsAlgorithm algorithm);

}  // namespace spiffe::identity
