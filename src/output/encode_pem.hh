// Certificates as PEM with 64 columns and a final newline, as Go's encoding/pem writes it.
#pragma once

#include "output/format.hh"

namespace spiffe::output {

// Leaf, then intermediates.
Result<Encoded> encode_chain(const Source& source, const EncodeOptions& options);
// Own authorities, intermediates (if asked), federated ones (if asked).
Result<Encoded> encode_bundle(const Source& source, const EncodeOptions& options);

// Appends the result of encode_chain().
void append_chain(SecretBytes& out, const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
