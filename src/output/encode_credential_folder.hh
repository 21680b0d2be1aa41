// The credential folder of the draft SPIFFE Filesystem Delivery (spiffe/spiffe pull request 376, the revision
// with names in ".x509.pem"): every identity and every trust domain in files that programs know by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "output/format.hh"

namespace spiffe::output {

// The names of the draft, in one place: it may change them again.
struct CredentialFolderNames {
  // Section 2.1: private key, then the chain.
  static constexpr std::string_view credentials = "credential-bundle.private-key.x509.pem";
  // Section 2.2: what follows the trust domain's name.
  static constexpr std::string_view trust = ".spiffe-trust-bundle.x509.pem";
  // Not of the draft, which allows further files (section 2); as spiffefs writes it.
  static constexpr std::string_view hints = "hints.json";
};
inline constexpr std::string_view kCredentialFolderMembers =
    "credential-bundle.private-key.x509.pem *.credential-bundle.private-key.x509.pem "
    "*.spiffe-trust-bundle.x509.pem hints.json";

// "credential-bundle…" for number 0, the selected identity, "1.credential-bundle…" and so on for others.
[[nodiscard]] std::string credential_bundle_name(std::size_t number);
// None where it is too long for a file, or begins with "..": such names are the publisher's.
[[nodiscard]] std::optional<std::string> trust_bundle_name(const identity::TrustDomain& domain);

// Trust bundles, credential bundles, hints: readers that follow the hints find the rest in place. Keys are
// PKCS#8 and chains end in front of the trust anchor, whatever the options (section 2.1). A federated trust
// domain without a name for its file is left out; it is an error of our own.
Result<Encoded> encode_credential_folder(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
