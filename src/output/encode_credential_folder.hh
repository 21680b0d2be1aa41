// The credential folder of the draft SPIFFE Filesystem Delivery (spiffe/spiffe pull request 376): every
// identity and every trust domain in files with well-known names. Sections are those of the revision with
// names in ".x509.pem"; earlier ones differ in the names, and allow a chain that ends with the trust anchor.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "output/format.hh"

namespace spiffe::output {

// The names of one revision.
struct CredentialFolderNames {
  std::string_view credentials;  // section 2.1: the private key, then the chain
  std::string_view trust;        // section 2.2: the suffix after the trust domain's name
};
[[nodiscard]] CredentialFolderNames names_of(CredentialFolderDraft draft);
// Not in the draft, which allows further files (section 2); spiffefs writes it in this form.
inline constexpr std::string_view kHintsName = "hints.json";
// The names of all revisions, so that those of another one are removed.
inline constexpr std::string_view kCredentialFolderMembers =
    "?credential-bundle.private-key.x509.pem *.credential-bundle.private-key.x509.pem "
    "*.spiffe-trust-bundle.x509.pem "
    "?credential-bundle.private-key.pem *.credential-bundle.private-key.pem *.spiffe-trust-bundle.pem "
    "?credential-bundle.pem *.credential-bundle.pem *.trust-bundle.pem "
    "hints.json";

// "credential-bundle…" for number 0, the selected identity; "1.credential-bundle…" and so on for the others.
[[nodiscard]] std::string credential_bundle_name(const CredentialFolderNames& names, std::size_t number);
// nullopt if it is too long for a file, or begins with "..", which is reserved for the publisher.
[[nodiscard]] std::optional<std::string> trust_bundle_name(const CredentialFolderNames& names,
                                                           const identity::TrustDomain& domain);

// Trust bundles, credential bundles and hints, in this order, so that a reader that follows the hints finds
// the other files in place. Keys are always PKCS#8, and chains end before the trust anchor (section 2.1),
// whatever the other options. A federated trust domain without a possible file name is left out; for our own
// this is an error.
Result<Encoded> encode_credential_folder(const Source& source, const EncodeOptions& options);

}  // namespace spiffe::output
