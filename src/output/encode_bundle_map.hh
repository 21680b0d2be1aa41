// The SPIFFE bundle map, as read by gRPC and by Envoy's SPIFFE validator (`trust_bundles`).
#pragma once

#include "output/format.hh"

namespace spiffe::output {

// {"trust_domains": {"example.org": {"keys": [a JWK for each authority]}}}, sorted, in one line. Requirements
// of the readers:
// - gRPC refuses the whole file if one JWK does not have the type RSA or EC, "use": "x509-svid", no "kid",
//   and exactly one certificate as "x5c". An authority with any other key is left out.
// - go-spiffe, and so gRPC in Go, compares the JWK's key with the certificate's.
// - Envoy refuses the file if a trust domain has no keys: such a domain is left out.
// The Workload API provides neither spiffe_sequence nor spiffe_refresh_hint; both are optional. An error if
// none of our own trust domain's authorities can be written in this form.
Result<Encoded> encode_bundle_map(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
