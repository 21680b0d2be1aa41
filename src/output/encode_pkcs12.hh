// PKCS#12 (RFC 7292), for Java: a keystore with the private key and its chain, and a truststore with the
// authorities. The same input gives the same bytes, so that unchanged content is not published again: salts
// and IV are derived from the content.
#pragma once

#include <string_view>

#include "output/format.hh"

namespace spiffe::output {

// Java's default password.
inline constexpr std::string_view kDefaultKeystorePassword = "changeit";

// The entry has the alias "spiffe".
Result<Encoded> encode_keystore(const Source& source, const EncodeOptions& options);
// The certificates of encode_bundle(), each authority once, under the alias "<trust domain>-<fingerprint>",
// which does not depend on the others. Java lists them as trustedCertEntry.
Result<Encoded> encode_truststore(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
