// The file of jwt_bundle_file_name. Pure.
#pragma once

#include <string>

#include "identity/jwt_bundles.hh"

namespace spiffe::output {

// {"<trust domain>":"<base64 of its JWK Set>", …}, with sorted trust domains, keys sorted by kid, no white
// space and no final newline: as the Go helper writes it, except that the order of its keys is random.
[[nodiscard]] std::string jwt_bundle_file(const identity::JwtBundles& bundles);

}  // namespace spiffe::output
