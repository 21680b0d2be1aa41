// The entries of x509_svids, each as a configuration of its own: the files and notifications of a single
// X.509 identity, without cmd, tokens and health checks.
#pragma once

#include "config/config.hh"

namespace spiffe::config {

// "x509_svids[0]"
[[nodiscard]] std::string entry_name(std::size_t index);

// Below cert_dir of `all`, with the settings that the entry does not set itself. If two results are equal,
// the entries write and notify the same.
[[nodiscard]] Config config_of(const Config& all, const X509Svid& entry);

}  // namespace spiffe::config
