// The files of `fetch -write`, by the names and with the bytes of `spire-agent api fetch x509 -write`.
#pragma once

#include <string>
#include <vector>

#include "base/result.hh"
#include "cli/x509_view.hh"
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

// Each under a temporary name first, then all renamed in order. The directory must exist. Says on stderr how
// many there are.
[[nodiscard]] Result<void> write_files(const std::string& directory, const std::vector<output::File>& files);

}  // namespace spiffe::cli
