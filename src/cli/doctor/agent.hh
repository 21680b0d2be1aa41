// The doctor's way from the agent's address to a verified SVID.
#pragma once

#include <chrono>

#include "base/endpoint.hh"
#include "cli/doctor/finding.hh"
#include "workload/x509_update.hh"

namespace spiffe::cli {

// A Unix socket, looked at from outside: there, a socket, permitted, somebody listening. Ends with the first
// that fails.
void check_socket(const Endpoint& endpoint, Findings& out);

// The same for a port: somebody listening.
void check_tcp(const Endpoint& endpoint, std::chrono::nanoseconds timeout, Findings& out);

// Asks for an SVID and judges the answer. Waits `timeout` at most, 0 for no limit. Returns whether there was
// one. Main thread.
bool check_answer(const Endpoint& endpoint, const std::vector<workload::X509Rules>& rules,
                  std::chrono::nanoseconds timeout, Findings& out);

}  // namespace spiffe::cli
