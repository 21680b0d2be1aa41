// The files of `fetch -write`. Format pem has the names and bytes of `spire-agent api fetch x509 -write`.
#pragma once

#include <string>
#include <vector>

#include "base/result.hh"
#include "cli/agent/fetch_formats.hh"
#include "cli/agent/x509_view.hh"
#include "identity/jwt_bundles.hh"
#include "output/file_set.hh"

namespace spiffe::cli {

// svid.<i>.pem, svid.<i>.key, bundle.<i>.pem and federated_bundle.<i>.<j>.pem of every SVID; <j> numbers the
// trust domains, sorted by name. `view` is of `material`, and valid. Pure.
[[nodiscard]] std::vector<output::File> x509_files(const identity::X509Material& material,
                                                   const X509View& view);

// bundle.0.pem and bundle.0.jwks of our own trust domain, federated_bundle.0.<j>.pem and .jwks of the others.
// Missing bundles are skipped. Pure.
[[nodiscard]] std::vector<output::File> bundle_files(const X509View& view, const identity::JwtBundles& jwt);

// A file that only its owner may read. Pure.
[[nodiscard]] output::File secret_file(std::string name, SecretBytes content);

// Writes every file under a temporary name, then renames all: an error before the first rename changes
// nothing, and certificates are renamed last. The directory must exist. Creates missing folders and removes
// stale files of the same output in them; a folder that may belong to another program is an error. Prints the
// number of files to stderr.
[[nodiscard]] Result<void> write_files(const std::string& directory, const FetchedFiles& fetched);

}  // namespace spiffe::cli
