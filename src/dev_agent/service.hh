// The Workload API over an Agent.
#pragma once

#include <memory>

#include <grpcpp/impl/codegen/service_type.h>

#include "dev_agent/agent.hh"

namespace spiffe::dev_agent {

// `agent` must outlive it.
[[nodiscard]] std::unique_ptr<grpc::Service> make_service(Agent& agent);

}  // namespace spiffe::dev_agent
