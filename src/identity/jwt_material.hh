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

// Always the full state: what is absent does not exist any more. Trust domain as sent -> JWKS document.
using JwtBundlesMaterial = std::map<std::string, std::string>;

}  // namespace spiffe::identity
