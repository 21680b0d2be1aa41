#include "workload/channel.hh"

#include <array>
#include <cerrno>

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/status.h>
#include <sys/eventfd.h>

#include "base/fd.hh"
#include "base/log.hh"
#include "base/result.hh"

namespace spiffe::workload {

void init_grpc() {
  // Packages of Abseil come with its search for lock cycles switched on: for debugging, and at a price.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function([](gpr_log_func_args* args) { log::debug("grpc: " + std::string(args->message)); });
  google::protobuf::SetLogHandler([](google::protobuf::LogLevel, const char*, int,
                                     const std::string& message) { log::debug("protobuf: " + message); });
}

std::shared_ptr<grpc::Channel> open_channel(const Endpoint& endpoint) {
  constexpr int kReconnectMs = 1000;
  constexpr int kMaxReconnectMs = 30'000;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Retries are ours to schedule and to log.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Bandwidth probes are pings, two more packets for every message.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // The authority of a socket's path would be percent-encoded; servers expect what Go's client sends.
  if (endpoint.kind() == Endpoint::Kind::unix_socket)
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return grpc::CreateCustomChannel(endpoint.grpc_target(), grpc::InsecureChannelCredentials(), arguments);
}

std::optional<StreamEnd> lacks_descriptors() {
  // More than one channel takes: others may be opened at the same time.
  std::array<Fd, 24> spare;
  for (Fd& each : spare) {
    each = Fd(::eventfd(0, EFD_CLOEXEC));
    if (!each)
      return StreamEnd{grpc::StatusCode::UNAVAILABLE, "no connection is opened: " + errno_text(errno)};
  }
  return std::nullopt;
}

void add_security_header(grpc::ClientContext& context) {
  context.AddMetadata("workload.spiffe.io", "true");
}

}  // namespace spiffe::workload
