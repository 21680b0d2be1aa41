// Why the agent cannot be asked, and what to try next: from the error alone in failure.hh, here with a look
// at the address and at who we are. The log, the commands and the doctor have their words from here.
#pragma once

#include <string>

#include "base/endpoint.hh"
#include "workload/failure.hh"

namespace spiffe::workload {

// What the end of a stream or call means. Probes the socket, since gRPC's own text hides the reason.
[[nodiscard]] Failure explain(const StreamEnd& end, const Endpoint& endpoint);

// The same for errno of connect(2) or stat(2) on the socket's path.
[[nodiscard]] Failure explain_connect(int code, const Endpoint& endpoint);

}  // namespace spiffe::workload
