#include "process/supervisor.hh"

#include <utility>

#include <signal.h>

namespace spiffe::process {

namespace {

Actions operator+(Actions first, Actions then) {
  first.insert(first.end(), then.begin(), then.end());
  return first;
}

}  // namespace

bool is_deadly(int signo) {
  switch (signo) {
    // Ignored by default.
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
    // These stop, they do not end.
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    // Waiting for a handler would be in vain.
    case SIGKILL:
      return false;
    default:
      return true;
  }
}

Actions Supervisor::handle(const Event& event, BootTime now) {
  now_ = now;
  return std::visit([this](const auto& e) { return on(e); }, event);
}

Actions Supervisor::on(const Published& event) {
  // A signal that waits for the child's readiness tells of this generation too.
  const bool waiting = pending();
  if (published_ && event.generation <= *published_) return {};
  published_ = event.generation;
  switch (state_) {
    case State::wait:
    case State::gone:
      return start();
    case State::run:
      return waiting ? Actions{} : rotate();
    case State::stopping:
    case State::killing:
    case State::ended:
      break;
  }
  return {};
}

Actions Supervisor::rotate() {
  switch (policy_.on_rotate) {
    case OnRotate::restart:
      return stop(Target::start);
    case OnRotate::signal:
      if (policy_.guard && !ready_) return {CheckReady{}};
      return signal(true);
    case OnRotate::none:
      break;
  }
  told_ = published_;
  return {};
}

Actions Supervisor::on(const StartFailed&) {
  if (state_ == State::run) state_ = State::gone;
  return {};
}

Actions Supervisor::on(const Exited& event) {
  using Next = ReportExit::Next;
  const bool had_timer = state_ == State::stopping || (state_ == State::run && pending());
  const Actions cancel = had_timer ? Actions{CancelTimer{}} : Actions{};
  switch (state_) {
    case State::run:
      // It ended before it could be told: the new one is told by its start.
      if (pending()) return cancel + Actions{ReportExit{event.status, Next::restart}} + start();
      state_ = State::gone;
      return {ReportExit{event.status, Next::next_rotation}};
    case State::stopping:
    case State::killing:
      if (target_ == Target::end) return cancel + Actions{ReportExit{event.status, Next::end}} + end();
      return cancel + Actions{ReportExit{event.status, Next::restart}} + start();
    case State::wait:
    case State::gone:
    case State::ended:
      break;
  }
  return {};
}

Actions Supervisor::on(const Readiness& event) {
  if (state_ != State::run || !pending()) return {};
  const bool young = now_ - started_ < kGuardGrace;
  // Shells block everything for the moment in which they start a program: one look is not enough.
  const bool was_blocked = std::exchange(blocked_, event.use == SignalUse::blocked);
  ready_ = event.use == SignalUse::handled || (blocked_ && (was_blocked || !young));
  if (!ready_ && young) return {ArmTimer{kGuardPoll}};
  return signal(ready_);
}

Actions Supervisor::on(const TimerFired&) {
  if (state_ == State::run && pending()) return {CheckReady{}};
  if (state_ != State::stopping) return {};
  state_ = State::killing;
  return {Kill{}};
}

Actions Supervisor::on(const KillRefused&) {
  return state_ == State::killing && target_ == Target::end ? end() : Actions{};
}

Actions Supervisor::on(const Terminate&) {
  const Target before = std::exchange(target_, Target::end);
  switch (state_) {
    case State::wait:
    case State::gone:
      return end();
    case State::run:
      return stop(Target::end);
    case State::stopping:
      if (before == Target::start) return {};
      state_ = State::killing;
      return {CancelTimer{}, Kill{}};
    case State::killing:
      // Once more, because a refused kill is only answered once.
      return before == Target::start ? Actions{Kill{}} : Actions{};
    case State::ended:
      break;
  }
  return {};
}

Actions Supervisor::start() {
  state_ = State::run;
  told_ = published_;
  started_ = now_;
  ready_ = false;
  blocked_ = false;
  return {Start{}};
}

Actions Supervisor::end() {
  state_ = State::ended;
  return {End{}};
}

Actions Supervisor::signal(bool handled) {
  told_ = published_;
  return {Signal{handled}};
}

Actions Supervisor::stop(Target target) {
  state_ = State::stopping;
  target_ = target;
  return {SendStop{}, ArmTimer{policy_.stop_timeout}};
}

}  // namespace spiffe::process
