// Why a call to the agent failed, and what to try next. failure.hh uses only the error; this also inspects
// the address and this process. The log, the commands and the doctor use these texts.
#pragma once

#include <string>

#include "base/endpoint.hh"
#include "workload/failure.hh"

namespace spiffe::workload {

// The meaning of the end of a stream or call. Probes the socket, since gRPC's own text hides the reason.
[[nodiscard]] Failure explain(const StreamEnd& end, const Endpoint& endpoint);

// The same for the errno of connect(2) or stat(2) on the socket's path.
[[nodiscard]] Failure explain_connect(int code, const Endpoint& endpoint);

}  // namespace spiffe::workload
