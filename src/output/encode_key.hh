// The private key as PEM: PKCS#8, SEC 1 (RFC 5915) or PKCS#1 (RFC 8017), as chosen by key_format.
#pragma once

#include "output/format.hh"

namespace spiffe::output {

Result<Encoded> encode_key(const Source& source, const EncodeOptions& options);

// Appends the key. Fails if the format does not fit the key's type; `out` is unchanged then.
Result<void> append_key(SecretBytes& out, const SecretBytes& pkcs8, KeyFormat format);

}  // namespace spiffe::output
