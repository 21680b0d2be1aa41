#include "workload/jwt_source.hh"

#include <map>
#include <utility>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_unary_call.h>

#include "base/log.hh"
#include "base/secret.hh"
#include "base/thread.hh"
#include "identity/jwt_svid.hh"
#include "workload.grpc.pb.h"
#include "workload/channel.hh"
#include "workload/explain.hh"

namespace spiffe::workload {

using namespace std::chrono_literals;

namespace {

constexpr auto kDeadline = 30s;  // of a call; before it signs, an agent may have to ask its server

void cleanse_tokens(JWTSVIDResponse& response) {
  for (JWTSVID& svid : *response.mutable_svids()) {
    std::string& token = *svid.mutable_svid();
    cleanse(token.data(), token.size());
  }
}

std::vector<identity::JwtSvidMaterial> take_material(JWTSVIDResponse& response) {
  std::vector<identity::JwtSvidMaterial> material;
  material.reserve(static_cast<std::size_t>(response.svids_size()));
  for (JWTSVID& svid : *response.mutable_svids()) {
    material.push_back({.spiffe_id = std::move(*svid.mutable_spiffe_id()),
                        .token = SecretBytes(std::string_view(svid.svid())),
                        .hint = std::move(*svid.mutable_hint())});
  }
  return material;
}

}  // namespace

struct JwtSource::Call {
  explicit Call(std::size_t of) : index(of) {}
  ~Call() { cleanse_tokens(response); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  std::size_t index;
  grpc::ClientContext context;
  JWTSVIDResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<JWTSVIDResponse>> reader;
};

// The gRPC side. The queue's thread only posts what it takes out; everything else happens on the loop. The
// thread shares the ownership, so the last of them destroys it.
struct JwtSource::Rpc {
  grpc::CompletionQueue queue;
  std::unique_ptr<SpiffeWorkloadAPI::Stub> stub;  // holds the channel; null while nothing is in flight
  std::map<Call*, std::unique_ptr<Call>> calls;   // in flight
  Thread thread;

  void close(const Loop& loop) {
    for (auto& [key, call] : calls) call->context.TryCancel();
    queue.Shutdown();
    // The thread ends once the queue is empty: after the answers to all calls.
    if (join_failed(thread, loop)) {
      log::warning("calls to the agent do not end and are abandoned", {{"event", "stream_left"}});
    }
  }
};

JwtSource::JwtSource(Loop& loop, Endpoint endpoint, std::vector<JwtRequest> requests, Callbacks callbacks)
    : loop_(loop),
      endpoint_(std::move(endpoint)),
      requests_(std::move(requests)),
      callbacks_(std::move(callbacks)),
      schedule_(requests_.size()),
      troubles_(requests_.size()),
      random_(std::random_device{}()),
      working_(loop, [this] { work(); }),
      due_timer_(loop, [this] { pump(); }),
      probe_(loop, endpoint_, schedule_.retry(), [this] { agent_back(); }) {}

JwtSource::~JwtSource() {
  if (rpc_ != nullptr) rpc_->close(loop_);
}

void JwtSource::start() {
  pump();
}

void JwtSource::stop() {
  alive_.reset();
  working_.cancel();
  due_timer_.cancel();
  probe_.cancel();
}

// Prepares the first call, and each call that begins while none is in flight.
std::optional<StreamEnd> JwtSource::open() {
  if (auto lack = lacks_room()) return lack;
  if (rpc_ == nullptr) {
    auto rpc = std::make_shared<Rpc>();
    auto thread =
        Thread::start([this, rpc, alive = std::weak_ptr<char>(alive_), poster = loop_.poster()]() mutable {
          void* tag = nullptr;
          bool ok = false;
          while (rpc->queue.Next(&tag, &ok)) {
            // The loop first checks whether `this` still exists.
            poster.post([this, alive, tag] {
              if (alive.expired()) return;
              finished_.push_back(static_cast<Call*>(tag));
              working_.wake();
            });
          }
          rpc.reset();
        });
    if (!thread) {
      rpc->close(loop_);
      return lacks_thread(thread.error());
    }
    rpc->thread = std::move(*thread);
    rpc_ = std::move(rpc);
  }
  rpc_->stub = SpiffeWorkloadAPI::NewStub(open_channel(endpoint_));
  return std::nullopt;
}

void JwtSource::pump() {
  for (const std::size_t index : schedule_.take_due(BootClock::now())) to_call_.push_back(index);
  if (!to_call_.empty()) working_.wake();
  if (const auto next = schedule_.next()) {
    due_timer_.at(*next);
  } else {
    due_timer_.cancel();
  }
}

void JwtSource::call(std::size_t index) {
  const bool closed = rpc_ == nullptr || rpc_->stub == nullptr;
  if (const auto lack = closed ? open() : std::nullopt) {
    report(index, explain(*lack, endpoint_));
    pump();
    return;
  }
  auto owned = std::make_unique<Call>(index);
  Call& call = *owned;
  rpc_->calls.emplace(&call, std::move(owned));
  add_security_header(call.context);
  call.context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  JWTSVIDRequest request;
  for (const std::string& audience : requests_[index].audiences) request.add_audience(audience);
  request.set_spiffe_id(requests_[index].spiffe_id);
  call.reader = rpc_->stub->AsyncFetchJWTSVID(&call.context, request, &rpc_->queue);
  call.reader->Finish(&call.response, &call.status, &call);
}

void JwtSource::work() {
  if (!finished_.empty()) {
    Call* done = finished_.front();
    finished_.pop_front();
    finished(done);
  } else if (!to_call_.empty()) {
    const std::size_t index = to_call_.front();
    to_call_.pop_front();
    call(index);
  }
  if (!finished_.empty() || !to_call_.empty()) working_.wake();
}

void JwtSource::finished(Call* done) {
  const auto node = rpc_->calls.extract(done);
  Call& call = *node.mapped();
  if (rpc_->calls.empty() && to_call_.empty()) rpc_->stub.reset();
  if (call.status.ok()) {
    take_answer(call);
  } else {
    const StreamEnd end{static_cast<int>(call.status.error_code()), call.status.error_message()};
    Failure failure = explain(end, endpoint_);
    // We only know that this one call was refused.
    if (failure.kind == FailureKind::invalid_argument) {
      failure.hint =
          "look at the audience and the SPIFFE ID that are asked for; where every call is refused, at the "
          "agent's address";
    }
    report(call.index, std::move(failure));
  }
  pump();
}

void JwtSource::take_answer(Call& done) {
  std::vector<identity::JwtSvidMaterial> tokens = take_material(done.response);
  const JwtRequest& request = requests_[done.index];
  const auto selected = identity::select_jwt_svid(tokens, request.hint, request.spiffe_id);
  if (!selected) {
    const auto kind =
        selected.error().kind == ErrorKind::no_identity ? FailureKind::not_offered : FailureKind::transient;
    report(done.index, {kind, selected.error().message, selected.error().hint});
    return;
  }
  absence_.clear();
  schedule_.answered(done.index);
  callbacks_.on_token(done.index, std::move(tokens[*selected]), tokens.size());
}

void JwtSource::report(std::size_t index, Failure failure) {
  const bool unix_socket = endpoint_.kind() == Endpoint::Kind::unix_socket;
  const auto step = schedule_.failed(index, failure.kind, unix_socket, BootClock::now(), chance());
  if (step.probe && !probe_.running()) probe_.begin(step.wait);
  Trouble& trouble = troubles_[index];
  trouble.reported = true;
  bool new_cause = std::exchange(trouble.last_cause, failure.cause) != failure.cause;
  if (failure.kind == FailureKind::unreachable) {
    new_cause = new_cause && std::exchange(absence_, failure.cause) != failure.cause;
  }
  callbacks_.on_lost(index, {std::move(failure), step.wait, new_cause, step.fatal});
}

bool JwtSource::accepted(std::size_t index, WallTime expires_at) {
  schedule_.accepted(index, BootClock::now(), expires_at - wall_now());
  pump();
  troubles_[index].last_cause.clear();
  return std::exchange(troubles_[index].reported, false);
}

std::chrono::milliseconds JwtSource::refused(std::size_t index) {
  const auto step = schedule_.refused(index, BootClock::now(), chance());
  troubles_[index].reported = true;
  pump();
  return step.wait;
}

void JwtSource::agent_back() {
  schedule_.agent_back(BootClock::now(), [this] { return chance(); });
  pump();
}

double JwtSource::chance() {
  return std::uniform_real_distribution<>(0, 1)(random_);
}

}  // namespace spiffe::workload
