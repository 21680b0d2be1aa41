// The SPIFFE bundle map, as gRPC and Envoy's SPIFFE validator (`trust_bundles`) read it.
#pragma once

#include "output/format.hh"

namespace spiffe::output {

// {"trust_domains": {"example.org": {"keys": [a JWK for each authority]}}}, sorted, in one line. What readers
// insist on:
// - gRPC takes all of a file or nothing: of each JWK the type RSA or EC, "use": "x509-svid", no "kid", and
//   exactly one certificate as "x5c". An authority with any other key is left out.
// - go-spiffe, and so gRPC in Go, compares the JWK's key with the certificate's.
// - Envoy refuses the file where one trust domain has no keys: such a domain is left out.
// The Workload API tells neither spiffe_sequence nor spiffe_refresh_hint; both are optional.
// Fails where our own trust domain has no authority that can be written so.
Result<Encoded> encode_bundle_map(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
