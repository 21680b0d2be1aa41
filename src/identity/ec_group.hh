// The elliptic curves of SPIFFE identities.
#pragma once

#include <openssl/ec.h>

namespace spiffe::identity {

// P-256, P-384 or P-521 by OpenSSL's NID; null for any other. Built once each: that costs as much as checking
// a key. Any thread.
[[nodiscard]] const EC_GROUP* ec_group(int nid);

}  // namespace spiffe::identity
