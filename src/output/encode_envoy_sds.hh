// Secrets for Envoy, as it reads them from files (`path_config_source`).
#pragma once

#include <string_view>

#include "output/format.hh"

namespace spiffe::output {

// The names that SPIRE gives them in its SDS, so that the rest of Envoy's configuration is the same for both.
inline constexpr std::string_view kEnvoyCertificate = "default";
inline constexpr std::string_view kEnvoyValidation = "ALL";

// Two files of one secret each, which is what Envoy takes:
// - svid.yaml: certificate chain and private key.
// - validation.yaml: the SPIFFE validator, with the authorities of each own and federated trust domain.
// All of it is inline: a file is read at once, and no other is.
Result<Encoded> encode_envoy_sds(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
