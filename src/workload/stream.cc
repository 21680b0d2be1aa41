#include "workload/stream.hh"

#include <utility>

#include <grpcpp/client_context.h>

#include "workload/channel.hh"

namespace spiffe::workload {

struct Stream::Attempt {
  grpc::ClientContext context;
  std::thread thread;

  ~Attempt() {
    context.TryCancel();
    if (thread.joinable()) thread.join();
  }
};

Stream::Stream(Loop& loop, Endpoint endpoint, Body body, std::function<void(const Lost&)> on_lost)
    : loop_(loop),
      endpoint_(std::move(endpoint)),
      body_(std::move(body)),
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

double Stream::chance() {
  return std::uniform_real_distribution<>(0, 1)(random_);
}

void Stream::open() {
  probe_.cancel();
  attempt_ = std::make_unique<Attempt>();
  add_security_header(attempt_->context);
  attempt_->thread = std::thread([this, &context = attempt_->context, alive = std::weak_ptr<char>(alive_)] {
    // The destructor joins this thread, so `this` lives as long as the body runs; a task posted here may
    // outlive it.
    const auto lack = lacks_descriptors();
    StreamEnd end = lack ? *lack : body_(endpoint_, context);
    loop_.post([this, alive, end = std::move(end)] {
      if (!alive.expired()) ended(end);
    });
  });
}

void Stream::ended(const StreamEnd& end) {
  attempt_.reset();
  const Failure failure = classify(end, probe_endpoint(endpoint_), endpoint_.uri());
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
