// The file of jwt_bundle_file_name. Pure.
#pragma once

#include <string>

#include "identity/jwt_bundles.hh"

namespace spiffe::output {

// {"<trust domain>":"<base64 of its JWK Set>", …}, trust domains sorted, keys sorted by their kid, no white
// space, no final newline: what Go's helper writes, but that the order of its keys is random.
[[nodiscard]] std::string jwt_bundle_file(const identity::JwtBundles& bundles);

}  // namespace spiffe::output
