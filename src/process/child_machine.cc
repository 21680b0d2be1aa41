#include "process/child_machine.hh"

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
    // These stop a process, but do not end it.
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    // No handler is possible, so do not wait for one.
    case SIGKILL:
      return false;
    default:
      return true;
  }
}

Actions ChildMachine::handle(const Event& event, BootTime now) {
  now_ = now;
  return std::visit([this](const auto& e) { return on(e); }, event);
}

void ChildMachine::set_policy(const Policy& policy) {
  policy_ = policy;
  blocked_ = false;  // the new policy may have another signal
}

Actions ChildMachine::on(const Begin&) {
  if (state_ != State::wait || policy_.start_timeout <= std::chrono::nanoseconds::zero()) return {};
  timed_ = true;
  return {ArmTimer{policy_.start_timeout}};
}

Actions ChildMachine::on(const Published& event) {
  // A signal that waits for the child's readiness also covers this generation.
  const bool waiting = pending();
  if (published_ && event.generation <= *published_) return {};
  published_ = event.generation;
  switch (state_) {
    case State::wait:
      return (std::exchange(timed_, false) ? Actions{CancelTimer{}} : Actions{}) + start();
    case State::gone:
      return start();
    case State::run:
      return waiting ? Actions{} : rotate();
    case State::backoff:
    case State::stopping:
    case State::killing:
    case State::clearing:
    case State::ended:
      break;
  }
  return {};
}

Actions ChildMachine::rotate() {
  switch (policy_.on_rotate) {
    case OnRotate::restart:
      return stop(Target::start);
    case OnRotate::signal:
      // Check each time: a script that traps the signal may have executed a program that does not.
      if (policy_.deadly) return {CheckReady{}};
      return signal(true);
    case OnRotate::none:
      break;
  }
  notified_ = published_;
  return {};
}

Actions ChildMachine::on(const StartFailed& event) {
  if (state_ != State::run) return {};
  if (event.shortage) {
    state_ = State::backoff;
    const auto delay = restarts_.after_shortage(random());
    return {ReportFailedStart{.next = Next::backoff, .delay = delay}, ArmTimer{delay}};
  }
  last_code_ = event.code;
  notified_ = published_;  // do not notify it again of files with which it could not be started
  return after_end(ReportFailedStart{}, true, std::chrono::nanoseconds::zero());
}

Actions ChildMachine::on(const Exited& event) {
  const bool had_timer = state_ == State::stopping || (state_ == State::run && pending());
  const Actions cancel = had_timer ? Actions{CancelTimer{}} : Actions{};
  last_code_ = event.status.shell_code();
  remains_ = event.remains;
  switch (state_) {
    case State::run:
      return cancel + after_end(ReportExit{.status = event.status}, *last_code_ != 0, now_ - started_);
    case State::stopping:
    case State::killing: {
      const Actions report{ReportExit{event.status, target_ == Target::end ? Next::end : Next::restart}};
      if (remains_) return report + clear(target_);
      if (target_ == Target::end) return cancel + report + end(policy_.wrap ? *last_code_ : 0);
      return cancel + report + start();
    }
    case State::wait:
    case State::gone:
    case State::backoff:
    case State::clearing:
    case State::ended:
      break;
  }
  return {};
}

// A child ended by itself, or could not be started.
template <class Report>
Actions ChildMachine::after_end(Report report, bool failed, std::chrono::nanoseconds lived) {
  const auto wait = restarts_.after(policy_.restart, failed, lived, random(), policy_.wrap);
  if (!wait && !policy_.wrap) {
    // It ended before the pending signal; a new child gets the files by its start.
    report.next = pending() ? Next::restart : Next::next_rotation;
    state_ = State::gone;
    return Actions{report} + (pending() ? start() : Actions{});
  }
  if (!wait) {
    report.next = restarts_.gave_up() ? Next::give_up : Next::end;
    return Actions{report} + end(*last_code_);
  }
  state_ = State::backoff;
  report.next = Next::backoff;
  report.delay = *wait;
  return {report, ArmTimer{*wait}};
}

Actions ChildMachine::on(const Readiness& event) {
  if (state_ != State::run || !pending()) return {};
  const bool handled = event.use == SignalUse::handled;
  // A program that executes itself again on the signal, as HAProxy does, is like one that has just started.
  const bool young = now_ - signalled_.value_or(started_) < kGuardGrace;
  // Shells block all signals for the moment when they start a program, so one check is not enough. A program
  // that had a handler does not wait for blocked signals: it may ignore them next, and lose a pending one.
  const bool was_blocked = std::exchange(blocked_, event.use == SignalUse::blocked);
  const bool waits = blocked_ && was_blocked && !had_handler_;
  if (!handled && !waits && young) return {ArmTimer{kGuardPoll}};
  if (event.use != SignalUse::none) {
    had_handler_ = handled;
    return signal(true);
  }
  if (!policy_.withhold) return signal(false);
  if (std::exchange(withheld_, true)) return {ArmTimer{kWithheldPoll}};
  return {ReportWithheld{}, ArmTimer{kWithheldPoll}};
}

Actions ChildMachine::on(const TimerFired&) {
  switch (state_) {
    case State::wait:
      if (!std::exchange(timed_, false)) return {};
      return Actions{ReportTimeout{}} + end(1);
    case State::run:
      return pending() ? rotate() : Actions{};
    case State::backoff:
      return start();
    case State::stopping:
      state_ = State::killing;
      return {Kill{}};
    case State::clearing:
      if (!killed_) return kill_rest();
      if (target_ == Target::start) break;
      state_ = State::ended;
      return {End{end_code_, false}};
    case State::gone:
    case State::killing:
    case State::ended:
      break;
  }
  return {};
}

Actions ChildMachine::on(const KillRefused&) {
  if (state_ != State::killing || target_ != Target::end) return {};
  return end(policy_.wrap ? 1 : 0);
}

Actions ChildMachine::on(const Replaced&) {
  if (state_ == State::gone) return start();
  return state_ == State::run ? stop(Target::start) : Actions{};
}

Actions ChildMachine::on(const Terminate& event) {
  if (state_ == State::clearing) return terminate_clearing();
  terminated_ = true;
  const Target before = std::exchange(target_, Target::end);
  const int never_started = event.signal == 0 ? 0 : 128 + event.signal;
  switch (state_) {
    case State::wait:
      return (std::exchange(timed_, false) ? Actions{CancelTimer{}} : Actions{}) +
             end(policy_.wrap ? never_started : 0);
    case State::gone:
      return end(0);
    case State::run:
      if (!policy_.leave_at_end) return stop(Target::end);
      return (pending() ? Actions{CancelTimer{}} : Actions{}) + end(0, true);
    case State::backoff:
      return Actions{CancelTimer{}} + end(policy_.wrap ? last_code_.value_or(never_started) : 0);
    case State::stopping:
      if (before == Target::start) return {};
      state_ = State::killing;
      return {CancelTimer{}, Kill{}};
    case State::killing:
      // Kill again, because a refused kill is answered only once.
      return before == Target::start ? Actions{Kill{}} : Actions{};
    case State::clearing:
    case State::ended:
      break;
  }
  return {};
}

Learning ChildMachine::learning() const {
  switch (state_) {
    case State::run:
      if (pending()) return withheld_ ? Learning::running : Learning::pending;
      return read_ == published_ ? Learning::by_start : Learning::running;
    case State::gone:
    case State::ended:
      return Learning::by_start;
    case State::wait:
    case State::backoff:
    case State::stopping:
    case State::killing:
    case State::clearing:
      break;
  }
  return Learning::next_start;
}

Actions ChildMachine::start() {
  if (remains_) return clear(Target::start);
  state_ = State::run;
  notified_ = read_ = published_;
  started_ = now_;
  signalled_.reset();
  had_handler_ = false;
  blocked_ = false;
  withheld_ = false;
  return {Start{}};
}

Actions ChildMachine::end(int code, bool left) {
  end_code_ = code;
  if (remains_ && !policy_.leave_at_end) return clear(Target::end);
  state_ = State::ended;
  return {End{code, left || remains_}};
}

// See "clearing" in the header.
Actions ChildMachine::clear(Target target) {
  const State from = std::exchange(state_, State::clearing);
  target_ = target;
  killed_ = from == State::killing;
  if (from == State::stopping || from == State::killing) end_code_ = policy_.wrap ? *last_code_ : 0;
  if (killed_) return kill_rest();
  if (from == State::stopping) return {EndRest{policy_.wrap ? Force::wait : Force::stop}};
  return {ArmTimer{policy_.stop_timeout}, EndRest{Force::stop}};
}

Actions ChildMachine::kill_rest() {
  killed_ = true;
  if (target_ == Target::start) return {EndRest{Force::kill}};
  return {ArmTimer{kRestPatience}, EndRest{Force::kill}};
}

Actions ChildMachine::on(const Cleared&) {
  remains_ = false;
  if (state_ != State::clearing) return {};
  const Actions cancel = rest_timer();
  return cancel + (target_ == Target::start ? start() : end(end_code_));
}

// No timer runs while a Start waits for killed processes, however long they take to end.
Actions ChildMachine::rest_timer() const {
  return killed_ && target_ == Target::start ? Actions{} : Actions{CancelTimer{}};
}

Actions ChildMachine::terminate_clearing() {
  const bool again = std::exchange(terminated_, true);
  if (target_ == Target::start) end_code_ = policy_.wrap ? *last_code_ : 0;
  const Actions cancel = rest_timer();
  const Target before = std::exchange(target_, Target::end);
  if (policy_.leave_at_end) return cancel + end(end_code_, true);
  if (again && !killed_) return kill_rest();
  return killed_ && before == Target::start ? Actions{ArmTimer{kRestPatience}} : Actions{};
}

Actions ChildMachine::signal(bool handled) {
  notified_ = published_;
  withheld_ = false;
  signalled_ = now_;
  return {Signal{handled}};
}

Actions ChildMachine::stop(Target target) {
  state_ = State::stopping;
  target_ = target;
  return {SendStop{}, ArmTimer{policy_.stop_timeout}};
}

double ChildMachine::random() {
  return std::uniform_real_distribution<double>(0.0, 1.0)(random_);
}

}  // namespace spiffe::process
