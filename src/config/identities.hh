// The entries of x509_svids, each as a configuration of its own: what is written and notified for a single
// X.509 identity, without cmd, tokens and health checks.
#pragma once

#include "config/config.hh"

namespace spiffe::config {

// "x509_svids[0]"
[[nodiscard]] std::string entry_name(std::size_t index);

// Below cert_dir of `all`, with all that the entry leaves to it. Two entries that are equal so, write and
// notify the same.
[[nodiscard]] Config config_of(const Config& all, const X509Svid& entry);

}  // namespace spiffe::config
