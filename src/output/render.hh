// From a verified identity to the bytes of its files. Pure: no I/O, no clock.
#pragma once

#include <string>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/result.hh"
#include "identity/x509_context.hh"
#include "output/file_set.hh"

namespace spiffe::output {

// The files of one X.509 identity. An empty name: that file is not wanted.
struct X509Outputs {
  std::string svid_file_name;         // leaf, then intermediates
  std::string svid_key_file_name;     // PKCS#8
  std::string svid_bundle_file_name;  // own authorities, intermediates (if asked), federated ones (if asked)
  bool add_intermediates_to_bundle = false;  // intermediates go to the bundle instead of the SVID file
  bool include_federated_domains = false;    // in the order of their names
  // Expired CA certificates are left out of the bundle. Where none would remain all of them stay: a consumer
  // cannot load an empty file, and an expired authority verifies nobody.
  bool omit_expired = false;
  mode_t cert_file_mode = 0644;
  mode_t key_file_mode = 0600;
  Owner owner;      // of all files
  Owner key_owner;  // overrides `owner`, field by field, where a private key is inside
};

// PEM with 64 columns and a final newline, as Go's encoding/pem writes it. Names are used as they are
// (see clean_name()). Fails only where an output cannot be made from this identity.
Result<FileSet> render(const identity::X509Context& context, const X509Outputs& outputs, WallTime now);

}  // namespace spiffe::output
