// Private key and chain in one PEM file: one open, one read, and never a key of another certificate.
#pragma once

#include "output/format.hh"

namespace spiffe::output {

// In the order of combined_order, the chain as in svid_file_name, the key as key_format has it.
Result<Encoded> encode_combined(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
