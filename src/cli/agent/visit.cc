#include "cli/agent/visit.hh"

#include <algorithm>
#include <utility>

#include <unistd.h>

#include "base/log.hh"
#include "cli/text/exit.hh"
#include "cli/text/voice.hh"
#include "process/core_dumps.hh"
#include "workload/channel.hh"

namespace spiffe::cli {

using namespace std::chrono_literals;

namespace {

std::string waiting_for(const std::string& what, const workload::Failure& failure) {
  switch (failure.kind) {
    case workload::FailureKind::no_identity:
      return "waiting for an identity: " + failure.cause;
    case workload::FailureKind::unreachable:
      return "waiting for the agent: " + failure.cause;
    default:
      return "waiting for " + what + ": " + failure.cause;
  }
}

ErrorKind kind_of(workload::FailureKind kind, ErrorKind otherwise) {
  if (kind == workload::FailureKind::no_identity) return ErrorKind::no_identity;
  return kind == workload::FailureKind::unreachable ? ErrorKind::unreachable : otherwise;
}

}  // namespace

Result<std::unique_ptr<Visit>> Visit::create(const Arguments& arguments, std::chrono::nanoseconds timeout,
                                             int interrupted) {
  const auto loaded = load_partial(arguments);
  if (!loaded) return fail(loaded.error());
  config::log_all(loaded->warnings);
  auto loop = Loop::create();
  if (!loop) return fail(loop.error());
  process::CoreDumps::forbid();
  workload::init_grpc();
  std::unique_ptr<Visit> self(new Visit(*std::move(loop), loaded->config.agent_address,
                                        arguments.timeout.value_or(timeout), interrupted));
  if (auto watched = self->watch_signals(); !watched) return fail(watched.error());
  return self;
}

Visit::Visit(std::unique_ptr<Loop> loop, Endpoint endpoint, std::chrono::nanoseconds timeout, int interrupted)
    : loop_(std::move(loop)),
      endpoint_(std::move(endpoint)),
      timeout_(timeout),
      interrupted_(interrupted),
      limit_(*loop_, [this] { time_is_over(); }),
      ticker_(*loop_, [this] { tick(); }) {
  if (timeout_ > 0ns) limit_.after(timeout_);
  if (line_.live()) ticker_.after(1s);
}

// main() blocks all signals, so without this ^C and ^Z would have no effect.
Result<void> Visit::watch_signals() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) sigaddset(&wanted, signal);
  auto signals = SignalWatch::create(*loop_, wanted, [this](int signal) { on_signal(signal); });
  if (!signals) return fail(signals.error());
  signals_ = std::move(*signals);
  return {};
}

void Visit::on_signal(int signal) {
  if (signal != SIGTSTP) return end(interrupted_);
  line_.clear();
  ::kill(::getpid(), SIGSTOP);
}

void Visit::lost(std::string_view what, const workload::Lost& lost) {
  if (ended_) return;
  const workload::Failure& failure = lost.failure;
  if (lost.fatal) return end({kind_of(failure.kind, ErrorKind::failed), failure.cause, failure.hint});
  if (failures_.empty()) since_ = BootClock::now();
  std::erase_if(failures_, [what](const auto& each) { return each.first == what; });
  failures_.emplace_back(what, failure);
  tick();
}

void Visit::heard(std::string_view what) {
  std::erase_if(failures_, [what](const auto& each) { return each.first == what; });
}

void Visit::tick() {
  if (line_.live()) ticker_.after(1s);
  const std::string elapsed = human(std::chrono::floor<std::chrono::seconds>(BootClock::now() - since_));
  if (!failures_.empty()) {
    line_.show(waiting_for(failures_.back().first, failures_.back().second), elapsed);
    return;
  }
  const Idle idle = idle_ ? idle_() : Idle{};
  line_.draw(idle.text.empty() ? "waiting for the agent's answer (" + elapsed + ")" : idle.text, idle.colour);
}

void Visit::time_is_over() {
  const std::string limit = human(timeout_);
  if (failures_.empty()) {
    return end({ErrorKind::timed_out, "no answer from the agent at " + endpoint_.uri() + " within " + limit,
                "a server listens there but does not answer: what does the agent's log say?"});
  }
  const workload::Failure& failure = failures_.back().second;
  const ErrorKind kind = kind_of(failure.kind, ErrorKind::timed_out);
  end({kind,
       kind == ErrorKind::timed_out ? "no answer within " + limit + ": " + failure.cause : failure.cause,
       failure.hint});
}

int Visit::run() {
  loop_->run();
  line_.clear();
  return error_ ? report(*error_) : code_;
}

void Visit::end(int code) {
  if (std::exchange(ended_, true)) return;
  code_ = code;
  loop_->stop();
}

void Visit::end(Error error) {
  if (std::exchange(ended_, true)) return;
  error_ = std::move(error);
  loop_->stop();
}

}  // namespace spiffe::cli
