// The whole agent as a process: sockets, gRPC, signals.
#pragma once

#include "base/result.hh"
#include "dev_agent/options.hh"

namespace spiffe::dev_agent {

// Serves until SIGTERM, SIGINT or SIGHUP, which the caller has blocked before the first thread.
Result<> run(Options options);

}  // namespace spiffe::dev_agent
