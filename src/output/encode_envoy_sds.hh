// Secrets for Envoy, in the form that it reads from files (`path_config_source`).
#pragma once

#include <string_view>

#include "output/format.hh"

namespace spiffe::output {

// The names that SPIRE uses in its SDS, so that the rest of Envoy's configuration is the same for both.
inline constexpr std::string_view kEnvoyCertificate = "default";
inline constexpr std::string_view kEnvoyValidation = "ALL";

// Two files with one secret each, as Envoy requires:
// - svid.yaml: certificate chain and private key.
// - validation.yaml: the SPIFFE validator, with the authorities of our own and each federated trust domain.
// Everything is inline, so one read gets a complete secret.
Result<Encoded> encode_envoy_sds(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
