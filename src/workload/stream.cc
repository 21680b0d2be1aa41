#include "workload/stream.hh"

#include <cerrno>
#include <new>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include "base/log.hh"
#include "base/thread.hh"
#include "workload/channel.hh"
#include "workload/explain.hh"

namespace spiffe::workload {

struct Stream::Attempt {
  const Loop& loop;
  std::shared_ptr<grpc::ClientContext> context =
      std::make_shared<grpc::ClientContext>();  // shared with the thread
  Thread thread;

  ~Attempt() {
    context->TryCancel();
    if (join_failed(thread, loop)) {
      log::warning("a connection to the agent does not close and is abandoned", {{"event", "stream_left"}});
    }
  }
};

namespace {

// On the stream's thread.
StreamEnd run(const Stream::Body& body, const Endpoint& endpoint, grpc::ClientContext& context) {
  try {
    if (auto lack = lacks_room()) return *std::move(lack);
    return body(endpoint, context);
  } catch (const std::bad_alloc&) {
    return {grpc::StatusCode::UNAVAILABLE, "no memory", ENOMEM, false};
  }
}

}  // namespace

Stream::Stream(Loop& loop, Endpoint endpoint, Body body, std::function<void(const Lost&)> on_lost)
    : loop_(loop),
      endpoint_(std::move(endpoint)),
      body_(std::make_shared<const Body>(std::move(body))),
      on_lost_(std::move(on_lost)),
      random_(std::random_device{}()),
      open_timer_(loop, [this] { open(); }),
      probe_(loop, endpoint_, retry_, [this] { open_timer_.after(retry_.answered(chance())); }) {}

Stream::~Stream() = default;

void Stream::start() {
  open();
}

bool Stream::good_message() {
  retry_.good_message();
  return !std::exchange(last_cause_, {}).empty();
}

void Stream::stop() {
  alive_.reset();
  open_timer_.cancel();
  probe_.cancel();
}

double Stream::chance() {
  return std::uniform_real_distribution<>(0, 1)(random_);
}

void Stream::open() {
  probe_.cancel();
  attempt_ = std::make_unique<Attempt>(loop_);
  add_security_header(*attempt_->context);
  // Posted tasks first check whether `this` still exists.
  auto report = [this, alive = std::weak_ptr<char>(alive_), poster = loop_.poster()](StreamEnd end) {
    poster.post([this, alive, end = std::move(end)] {
      if (!alive.expired()) ended(end);
    });
  };
  auto thread =
      Thread::start([report, body = body_, endpoint = endpoint_, context = attempt_->context]() mutable {
        StreamEnd end = run(*body, endpoint, *context);
        // Release shared objects first: the loop may end the process after the report.
        body.reset();
        context.reset();
        report(std::move(end));
      });
  if (thread) {
    attempt_->thread = std::move(*thread);
  } else {
    report(lacks_thread(thread.error()));
  }
}

void Stream::ended(const StreamEnd& end) {
  attempt_.reset();
  const Failure failure = explain(end, endpoint_);
  const bool unix_socket = endpoint_.kind() == Endpoint::Kind::unix_socket;
  const auto step = retry_.lost(failure.kind, unix_socket, BootClock::now().time_since_epoch(), chance());
  const bool new_cause = std::exchange(last_cause_, failure.cause) != failure.cause;
  if (step.probe) {
    probe_.begin(step.wait);
  } else {
    open_timer_.after(step.wait);
    probe_.watch();
  }
  on_lost_({failure, step.wait, new_cause, step.fatal});
}

}  // namespace spiffe::workload
