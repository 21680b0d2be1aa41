#include "workload/channel.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <latch>
#include <mutex>
#include <utility>
#include <vector>

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/compression.h>
#include <grpc/support/cpu.h>
#include <grpc/support/log.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/status.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "base/fd.hh"
#include "base/last_words.hh"
#include "base/log.hh"
#include "base/loop.hh"
#include "base/result.hh"
#include "base/thread.hh"

namespace spiffe::workload {

namespace {

// gRPC starts its threads with the first channel and ends them with the last one. This channel keeps them.
struct Kept {
  std::mutex mutex;
  std::shared_ptr<grpc::Channel> channel;
};
Kept kept;

constexpr std::size_t kDescriptors = 24;  // more than a channel needs: other threads may take some
constexpr std::size_t kThreadsOfChannel = 2;
constexpr std::size_t kMemory = std::size_t{24} * 1024 * 1024;  // address space without threads' stacks

// gRPC's pool has one thread per processor, 2 to 32; other threads serve timers and name resolution.
std::size_t first_threads() {
  constexpr unsigned kLeast = 2;
  constexpr unsigned kMost = 32;
  constexpr std::size_t kOthers = 6;
  return std::clamp(gpr_cpu_num_cores(), kLeast, kMost) + kOthers;
}

// Allocates all of it for a moment. Returns the missing resource, with errno.
std::optional<Error> try_room(std::size_t threads) {
  std::array<Fd, kDescriptors> descriptors;
  for (Fd& each : descriptors) {
    each = Fd(::eventfd(0, EFD_CLOEXEC));
    if (!each) return Error{ErrorKind::io, "no descriptor", {}, errno};
  }
  std::latch done(1);
  std::vector<Thread> parked;
  std::optional<Error> lack;
  void* memory = MAP_FAILED;
  parked.reserve(threads);
  while (parked.size() < threads && !lack) {
    auto thread = Thread::start([&done] { done.wait(); });
    if (thread) {
      parked.push_back(std::move(*thread));
    } else {
      lack = Error{ErrorKind::io, "no thread", {}, thread.error().sys};
    }
  }
  if (!lack) {
    memory = ::mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) lack = Error{ErrorKind::io, "no memory", {}, errno};
  }
  if (memory != MAP_FAILED) ::munmap(memory, kMemory);
  done.count_down();
  for (Thread& thread : parked) thread.join();
  return lack;
}

}  // namespace

void init_grpc() {
  // Packages of Abseil have lock-cycle detection switched on. It is for debugging, and costs time.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function([](gpr_log_func_args* args) {
    note_last_words(args->message);
    log::debug("grpc: " + std::string(args->message));
  });
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
  // A compressed message of some megabytes may inflate to hundreds before its size is checked.
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  // We schedule and log the retries ourselves.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Bandwidth probes are pings: two more packets for every message.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // gRPC would percent-encode the socket's path as authority. Servers expect the value that Go's client
  // sends.
  if (endpoint.kind() == Endpoint::Kind::unix_socket)
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return grpc::CreateCustomChannel(endpoint.grpc_target(), grpc::InsecureChannelCredentials(), arguments);
}

std::optional<StreamEnd> lacks_room() {
  const std::lock_guard lock(kept.mutex);
  const bool first = kept.channel == nullptr;
  if (const auto lack = try_room(first ? first_threads() : kThreadsOfChannel)) {
    return StreamEnd{grpc::StatusCode::UNAVAILABLE, lack->message, lack->sys, first};
  }
  // Never connects. It exists only to keep the threads.
  if (first) kept.channel = grpc::CreateChannel("unix:/", grpc::InsecureChannelCredentials());
  return std::nullopt;
}

bool join_failed(Thread& thread, const Loop& loop) {
  constexpr std::chrono::milliseconds patience{250};  // gRPC answers a cancellation at once
  return !thread.join_within(patience) && loop.running();
}

StreamEnd lacks_thread(const Error& error) {
  const std::lock_guard lock(kept.mutex);
  return {grpc::StatusCode::UNAVAILABLE, "no thread", error.sys, kept.channel == nullptr};
}

void end_grpc() {
  const std::lock_guard lock(kept.mutex);
  kept.channel.reset();
}

void add_security_header(grpc::ClientContext& context) {
  context.AddMetadata("workload.spiffe.io", "true");
}

}  // namespace spiffe::workload
