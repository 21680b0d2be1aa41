// The credential folder of the draft SPIFFE Filesystem Delivery (spiffe/spiffe pull request 376, the revision
// with names in ".x509.pem"): every identity and every trust domain in files with well-known names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "output/format.hh"

namespace spiffe::output {

// The draft's names, in one place because the draft may change them again.
struct CredentialFolderNames {
  // Section 2.1: the private key, then the chain.
  static constexpr std::string_view credentials = "credential-bundle.private-key.x509.pem";
  // Section 2.2: the suffix after the trust domain's name.
  static constexpr std::string_view trust = ".spiffe-trust-bundle.x509.pem";
  // Not in the draft, which allows further files (section 2); spiffefs writes it in this form.
  static constexpr std::string_view hints = "hints.json";
};
inline constexpr std::string_view kCredentialFolderMembers =
    "credential-bundle.private-key.x509.pem *.credential-bundle.private-key.x509.pem "
    "*.spiffe-trust-bundle.x509.pem hints.json";

// "credential-bundle…" for number 0, the selected identity; "1.credential-bundle…" and so on for the others.
[[nodiscard]] std::string credential_bundle_name(std::size_t number);
// nullopt if it is too long for a file, or begins with "..", which is reserved for the publisher.
[[nodiscard]] std::optional<std::string> trust_bundle_name(const identity::TrustDomain& domain);

// Trust bundles, credential bundles and hints, in this order, so that a reader that follows the hints finds
// the other files in place. Keys are always PKCS#8, and chains end before the trust anchor (section 2.1),
// whatever the options. A federated trust domain without a possible file name is left out; for our own this
// is an error.
Result<Encoded> encode_credential_folder(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
