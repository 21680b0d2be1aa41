// The doctor's checks from the agent's address to a verified SVID.
#pragma once

#include <chrono>

#include "base/endpoint.hh"
#include "cli/doctor/finding.hh"
#include "workload/x509_update.hh"

namespace spiffe::cli {

// Checks a Unix socket: it exists, is a socket, is accessible, and a server listens. Stops at the first
// failure.
void check_socket(const Endpoint& endpoint, Findings& out);

// The same for a port: a server listens.
void check_tcp(const Endpoint& endpoint, std::chrono::nanoseconds timeout, Findings& out);

// Requests an SVID and judges the answer. Waits at most `timeout`, 0 for no limit. Returns whether there was
// an SVID. Main thread.
bool check_answer(const Endpoint& endpoint, const std::vector<workload::X509Rules>& rules,
                  std::chrono::nanoseconds timeout, Findings& out);

}  // namespace spiffe::cli
