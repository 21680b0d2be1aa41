// Opens a gRPC channel to the agent: SPIFFE Workload Endpoint standard, section 3 (transport, security
// header).
#pragma once

#include <memory>
#include <optional>

#include "base/endpoint.hh"
#include "base/loop.hh"
#include "base/result.hh"
#include "base/thread.hh"
#include "workload/failure.hh"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace spiffe::workload {

// The largest accepted message, enough for about 90,000 federated trust domains. gRPC's default is 4 MiB.
inline constexpr int kMaxMessageBytes = 64 * 1024 * 1024;

// Sends the logs of gRPC and Protobuf to our log at debug level, which keeps them off stderr. To be called
// once, before the first channel.
void init_grpc();

// A plain-text channel with its own subchannel: it shares no back-off with other channels, and uses no DNS,
// proxy or service config. Connects at the first call. Any thread.
[[nodiscard]] std::shared_ptr<grpc::Channel> open_channel(const Endpoint& endpoint);

// To be called before open_channel(). Without a descriptor, a thread or memory, gRPC ends the process or
// hangs. So this checks whether the process can get what a connection needs, and returns how the stream ends
// if not. Any thread.
//
// The first call starts gRPC's threads, which then stay until end_grpc(). Otherwise gRPC would wait at the
// end for a thread that it could not start later.
[[nodiscard]] std::optional<StreamEnd> lacks_room();
// The end of a stream whose own thread could not be started.
[[nodiscard]] StreamEnd lacks_thread(const Error& error);

// Waits a moment for a thread whose calls are cancelled. Returns whether it does not end and must be
// reported. After the loop it need not be: the process ends, and the thread with it.
[[nodiscard]] bool join_failed(Thread& thread, const Loop& loop);

// Ends gRPC's threads after the last channel is closed. May hang: see leave_within().
void end_grpc();

// Adds the header "workload.spiffe.io: true", which every call must carry exactly once.
void add_security_header(grpc::ClientContext& context);

}  // namespace spiffe::workload
