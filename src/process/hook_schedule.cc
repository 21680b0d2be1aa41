#include "process/hook_schedule.hh"

#include <algorithm>
#include <utility>

namespace spiffe::process {

Changes& Changes::operator|=(const Changes& other) {
  x509 = x509 || other.x509;
  jwt = jwt || other.jwt;
  bundle = bundle || other.bundle;
  return *this;
}

std::string Changes::words() const {
  std::string out;
  for (const auto& [there, word] : {std::pair{x509, "x509"}, {jwt, "jwt"}, {bundle, "bundle"}}) {
    if (there) out.append(out.empty() ? "" : ",").append(word);
  }
  return out;
}

HookSchedule::Actions HookSchedule::handle(const Event& event) {
  return std::visit([this](const auto& e) { return on(e); }, event);
}

HookSchedule::Actions HookSchedule::on(const Published& event) {
  if (state_ == State::ended) return {};
  newer_ |= event.changes;
  Actions out;
  if (state_ == State::backoff) {
    failures_ = 0;
    out.emplace_back(CancelTimer{});
  }
  if (state_ == State::idle || state_ == State::backoff) run(out);
  return out;
}

HookSchedule::Actions HookSchedule::on(const StartFailed& event) {
  return state_ == State::run ? over(false, event.code) : Actions{};
}

HookSchedule::Actions HookSchedule::on(const Exited& event) {
  switch (state_) {
    case State::run:
      return over(event.code == 0, event.code);
    case State::stopping:
    case State::killing:
      return over(false, event.code == 0 ? 1 : event.code);
    case State::idle:
    case State::backoff:
    case State::ended:
      break;
  }
  return {};
}

HookSchedule::Actions HookSchedule::on(const TimerFired&) {
  Actions out;
  switch (state_) {
    case State::run:
      return terminate(Target::next);
    case State::backoff:
      run(out);
      return out;
    case State::stopping:
      return kill();
    case State::killing:
      if (target_ == Target::end) return end(1);
      break;
    case State::idle:
    case State::ended:
      break;
  }
  return out;
}

HookSchedule::Actions HookSchedule::on(const Stop&) {
  const Target before = std::exchange(target_, Target::end);
  switch (state_) {
    case State::idle:
      return end(0);
    case State::backoff: {
      Actions out = end(0);
      out.insert(out.begin(), CancelTimer{});
      return out;
    }
    case State::run:
      return terminate(Target::end);
    case State::stopping:
      return before == Target::end ? kill() : Actions{};
    case State::killing:
      return before == Target::end ? Actions{} : Actions{ArmTimer{kKillPatience}};
    case State::ended:
      break;
  }
  return {};
}

HookSchedule::Actions HookSchedule::over(bool succeeded, int code) {
  Actions out{CancelTimer{}};
  const bool ending = state_ != State::run && target_ == Target::end;
  if (ending || policy_.once) {
    out.emplace_back(Report{succeeded, newer_.any()});
    for (const Action& action : end(code)) out.push_back(action);
    return out;
  }
  const bool settled = succeeded || !policy_.retry;
  if (settled) reason_ = {};
  if (settled || newer_.any()) {
    failures_ = 0;
    out.emplace_back(Report{succeeded, newer_.any()});
    state_ = State::idle;
    if (newer_.any()) run(out);
    return out;
  }
  state_ = State::backoff;
  const auto delay = next_back_off();
  out.emplace_back(Report{.retry_in = delay});
  out.emplace_back(ArmTimer{delay});
  return out;
}

void HookSchedule::run(Actions& out) {
  state_ = State::run;
  reason_ |= std::exchange(newer_, {});
  if (policy_.timeout > std::chrono::nanoseconds::zero()) out.emplace_back(ArmTimer{policy_.timeout});
  out.emplace_back(Start{reason_});
}

HookSchedule::Actions HookSchedule::terminate(Target target) {
  state_ = State::stopping;
  target_ = target;
  return {SendTerm{}, ArmTimer{policy_.term_grace}};
}

HookSchedule::Actions HookSchedule::kill() {
  state_ = State::killing;
  if (target_ == Target::next) return {Kill{}};
  return {Kill{}, ArmTimer{kKillPatience}};
}

HookSchedule::Actions HookSchedule::end(int code) {
  state_ = State::ended;
  return {End{policy_.once ? code : 0}};
}

std::chrono::nanoseconds HookSchedule::next_back_off() {
  constexpr int kDoublings = 6;  // up to 64 s
  return std::min(kMaxBackOff, std::chrono::seconds(1 << std::min(failures_++, kDoublings)));
}

}  // namespace spiffe::process
