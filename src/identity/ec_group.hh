// The elliptic curves of SPIFFE identities.
#pragma once

#include <openssl/ec.h>
#include <openssl/x509.h>

namespace spiffe::identity {

// P-256, P-384 or P-521 by OpenSSL's NID; null for any other. Each is built only once, because building one
// takes as long as checking a key. Owned by the program. Any thread.
[[nodiscard]] const EC_GROUP* ec_group(int nid);

// The NID of the curve if the parameters name one that OpenSSL knows, else NID_undef.
[[nodiscard]] int named_curve(const X509_ALGOR* identifier);

}  // namespace spiffe::identity
