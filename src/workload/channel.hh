// Opening a gRPC channel to the agent: SPIFFE Workload Endpoint standard, sections 4 (transport) and 6
// (header).
#pragma once

#include <memory>
#include <optional>

#include "base/endpoint.hh"
#include "workload/failure.hh"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace spiffe::workload {

// The largest message taken: a bundle of some 90,000 federated trust domains. gRPC's own limit is 4 MiB.
inline constexpr int kMaxMessageBytes = 64 * 1024 * 1024;

// Sends the logs of gRPC and Protobuf to ours at debug level, and so keeps them off stderr. Once,
// before the first channel.
void init_grpc();

// A plain-text channel with a subchannel of its own: no other channel's back-off delays it, no DNS, proxy or
// service-config look-up happens. Connects when the first call is made. Any thread.
[[nodiscard]] std::shared_ptr<grpc::Channel> open_channel(const Endpoint& endpoint);

// gRPC ends the whole process where a new channel gets no descriptor. How a stream ends instead, where this
// process or the machine has too many files open; else nothing. Any thread.
[[nodiscard]] std::optional<StreamEnd> lacks_descriptors();

// Adds the header "workload.spiffe.io: true" that every call must carry exactly once.
void add_security_header(grpc::ClientContext& context);

}  // namespace spiffe::workload
