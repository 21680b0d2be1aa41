// The elliptic curves of SPIFFE identities.
#pragma once

#include <openssl/ec.h>
#include <openssl/x509.h>

namespace spiffe::identity {

// P-256, P-384 or P-521 by OpenSSL's NID; null for any other. Built once each: that costs as much as checking
// a key. Any thread.
[[nodiscard]] const EC_GROUP* ec_group(int nid);

// The curve's NID where the parameters name one that OpenSSL knows, and are not written out.
[[nodiscard]] int named_curve(const X509_ALGOR* identifier);

}  // namespace spiffe::identity
