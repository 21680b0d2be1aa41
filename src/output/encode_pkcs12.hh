// PKCS#12 (RFC 7292), for Java: a keystore with the private key and its chain, a truststore with the
// authorities. The same input gives the same bytes, so that what did not change is not published again: salts
// and IV are derived from what is encoded.
#pragma once

#include <string_view>

#include "output/format.hh"

namespace spiffe::output {

// Java's own default.
inline constexpr std::string_view kDefaultKeystorePassword = "changeit";

// Under the alias "spiffe".
Result<Encoded> encode_keystore(const Source& source, const EncodeOptions& options);
// What encode_bundle() holds, each authority once, under the alias "<trust domain>-<fingerprint>", which does
// not depend on the others. Java lists them as trustedCertEntry.
Result<Encoded> encode_truststore(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
