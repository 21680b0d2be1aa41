// Messages of FetchJWTSVID and FetchJWTBundles, copied out of protobuf: plain data, nothing parsed, nothing
// checked.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/secret.hh"

namespace spiffe::identity {

struct JwtSvidMaterial {
  std::string spiffe_id;
  SecretBytes token;  // compact JWS
  std::string hint;
};

// Maps the trust domain as sent to its JWKS document. Always the full state: a domain that is absent does not
// exist any more.
using JwtBundlesMaterial = std::map<std::string, std::string>;

}  // namespace spiffe::identity
