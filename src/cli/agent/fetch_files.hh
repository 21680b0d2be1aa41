// The files of `fetch -write`: pem is as `spire-agent api fetch x509 -write` has it, in names and bytes.
#pragma once

#include <string>
#include <vector>

#include "base/result.hh"
#include "cli/agent/fetch_formats.hh"
#include "cli/agent/x509_view.hh"
#include "identity/jwt_bundles.hh"
#include "output/file_set.hh"

namespace spiffe::cli {

// svid.<i>.pem, svid.<i>.key, bundle.<i>.pem and federated_bundle.<i>.<j>.pem of every SVID, <j> counting
// trust domains in the order of their names. `view` is of `material`, and good. Pure.
[[nodiscard]] std::vector<output::File> x509_files(const identity::X509Material& material,
                                                   const X509View& view);

// bundle.0.pem and bundle.0.jwks of our own trust domain, federated_bundle.0.<j>.pem and .jwks of the others;
// what there is none of is left out. Pure.
[[nodiscard]] std::vector<output::File> bundle_files(const X509View& view, const identity::JwtBundles& jwt);

// A file that nobody else may read. Pure.
[[nodiscard]] output::File secret_file(std::string name, SecretBytes content);

// Each under a temporary name first, then all renamed: an error before the first rename changes nothing, and
// certificates come last. The directory must exist. Missing folders are
// made, and what else their output could have written there is removed; a folder that may be another
// program's is an error. Prints to stderr how many files there are.
[[nodiscard]] Result<void> write_files(const std::string& directory, const FetchedFiles& fetched);

}  // namespace spiffe::cli
