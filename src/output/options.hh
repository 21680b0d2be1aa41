// Settings for outputs. Plain values, which src/config stores as they are.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace spiffe::output {

enum class Layout {
  snapshot,  // leaf symlinks -> ..data -> ..gen.<id>/: a whole set changes in one rename
  files,     // plain files, each replaced by rename: bundle, key, certificate
  in_place,  // plain files, truncated and written, symlinks followed; readers may see half a file
};

// The format of a private key.
enum class KeyFormat {
  pkcs8,        // "PRIVATE KEY", any type of key
  sec1,         // "EC PRIVATE KEY"
  pkcs1,        // "RSA PRIVATE KEY"
  traditional,  // sec1 or pkcs1, by the key's type; pkcs8 for a type that has neither
};

enum class CombinedOrder { key_first, chain_first };

// A revision of the draft SPIFFE Filesystem Delivery, by what its names contain.
enum class CredentialFolderDraft {
  x509,         // credential-bundle.private-key.x509.pem, <trust domain>.spiffe-trust-bundle.x509.pem
  private_key,  // credential-bundle.private-key.pem, <trust domain>.spiffe-trust-bundle.pem
  plain,        // credential-bundle.pem, <trust domain>.trust-bundle.pem
};

// How the files of one X.509 identity are made.
struct EncodeOptions {
  bool add_intermediates_to_bundle = false;  // intermediates go to the bundle instead of the chain
  bool include_federated_domains = false;    // added to the bundle, in the order of their names
  // Leaves expired CA certificates out of the bundle. If none would remain, all of them stay: a consumer
  // cannot load an empty file, and no certificate verifies with an expired authority.
  bool omit_expired = false;
  KeyFormat key_format = KeyFormat::pkcs8;
  CombinedOrder combined_order = CombinedOrder::key_first;
  CredentialFolderDraft credential_folder_draft = CredentialFolderDraft::x509;
  bool keystore_legacy = false;  // PKCS#12 with algorithms that Java 8 reads before update 301

  [[nodiscard]] bool operator==(const EncodeOptions&) const = default;
};

// The configured outputs of one X.509 identity, by configuration key (formats.hh).
using OutputNames = std::map<std::string_view, std::string>;

}  // namespace spiffe::output
