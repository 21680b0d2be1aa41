// Private key and chain in one PEM file: one open and one read, so the key always belongs to the certificate.
#pragma once

#include "output/format.hh"

namespace spiffe::output {

// In the order of combined_order, with the chain as in svid_file_name and the key in key_format.
Result<Encoded> encode_combined(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
