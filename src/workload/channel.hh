// Opens a gRPC channel to the agent: SPIFFE Workload Endpoint standard, section 3 (transport, security
// header).
#pragma once

#include <memory>
#include <optional>

#include "base/endpoint.hh"
#include "base/result.hh"
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

// Before open_channel(). gRPC ends the whole process, or waits for ever, where it gets no descriptor, no
// thread or no memory. How a stream ends instead, where this process may not have what a connection takes;
// else nothing. Any thread.
//
// The first call makes the threads of gRPC, which then stay until end_grpc(): one that cannot be made later
// would be waited for at their end.
[[nodiscard]] std::optional<StreamEnd> lacks_room();
// How a stream ends whose own thread could not be started.
[[nodiscard]] StreamEnd lacks_thread(const Error& error);

// Ends the threads of gRPC, once no channel is open any more. May wait for good: see leave_within().
void end_grpc();

// Adds the header "workload.spiffe.io: true" that every call must carry exactly once.
void add_security_header(grpc::ClientContext& context);

}  // namespace spiffe::workload
