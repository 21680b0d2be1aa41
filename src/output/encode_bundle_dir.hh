// A directory with one file for the authorities of each trust domain.
#pragma once

#include <optional>
#include <string>

#include "output/format.hh"

namespace spiffe::output {

// "example.org.pem". A leading "." is written as "%2E", which no trust domain contains, because names that
// begin with ".." are reserved for the publisher. nullopt if the name is too long for a file.
[[nodiscard]] std::optional<std::string> bundle_file_name(const identity::TrustDomain& domain);

// PEM for our own and each federated trust domain. A federated one whose name is too long for a file is left
// out; for our own this is an error.
Result<Encoded> encode_bundle_dir(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
