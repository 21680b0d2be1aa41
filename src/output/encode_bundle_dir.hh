// A directory with the authorities of each trust domain in a file of its own.
#pragma once

#include <optional>
#include <string>

#include "output/format.hh"

namespace spiffe::output {

// "example.org.pem". A "." in front is written "%2E", which no trust domain has: names that begin with ".."
// are the publisher's. None where the name is too long for a file.
[[nodiscard]] std::optional<std::string> bundle_file_name(const identity::TrustDomain& domain);

// PEM, for each own and federated trust domain. A federated one whose name is too long for a file is left
// out; it is an error of our own.
Result<Encoded> encode_bundle_dir(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
