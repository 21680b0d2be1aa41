#include "workload/jwt_schedule.hh"

#include <algorithm>

namespace spiffe::workload {

using namespace std::chrono_literals;

namespace {

constexpr auto kShortest = 1s;  // between two calls for one token
constexpr int kMaxDoublings = 6;
constexpr auto kLongest = 60s;

}  // namespace

std::vector<std::size_t> JwtSchedule::take_due(BootTime now) {
  std::vector<std::size_t> due;
  if (absent_) return due;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].phase == Phase::due && entries_[i].due <= now) due.push_back(i);
  }
  std::ranges::stable_sort(due, {}, [this](std::size_t i) { return entries_[i].due; });
  due.resize(std::min(due.size(), kMaxInFlight - in_flight_));
  for (const std::size_t i : due) entries_[i].phase = Phase::in_flight;
  in_flight_ += due.size();
  return due;
}

std::optional<BootTime> JwtSchedule::next() const {
  if (absent_ || in_flight_ == kMaxInFlight) return std::nullopt;
  std::optional<BootTime> first;
  for (const Entry& entry : entries_) {
    if (entry.phase == Phase::due && (!first || entry.due < *first)) first = entry.due;
  }
  return first;
}

void JwtSchedule::answered(std::size_t entry) {
  --in_flight_;
  entries_[entry].phase = Phase::judged;
  agent_.good_message();
}

void JwtSchedule::accepted(std::size_t entry, BootTime now, std::chrono::nanoseconds remaining) {
  if (entries_[entry].phase != Phase::judged) return;
  entries_[entry].failures = 0;
  wait(entries_[entry], now + std::max<std::chrono::nanoseconds>(remaining / 2, kShortest), false);
}

Retry::Step JwtSchedule::refused(std::size_t entry, BootTime now, double random) {
  if (entries_[entry].phase != Phase::judged) return {};
  return back_off(entries_[entry], now, random);
}

Retry::Step JwtSchedule::failed(std::size_t entry, FailureKind kind, bool unix_socket, BootTime now,
                                double random) {
  --in_flight_;
  const bool refused_call = kind == FailureKind::invalid_argument || kind == FailureKind::unimplemented;
  const bool gone = kind == FailureKind::unreachable && unix_socket;
  if (!refused_call && !gone) return back_off(entries_[entry], now, random);
  // These concern the agent, not one token, so they follow the same waits as a stream: 30 s after
  // InvalidArgument or Unimplemented, probes of the socket while it is gone.
  const Retry::Step step = agent_.lost(kind, unix_socket, now.time_since_epoch(), random);
  wait(entries_[entry], now + step.wait, true);
  absent_ = absent_ || step.probe;
  return step;
}

Retry::Step JwtSchedule::back_off(Entry& entry, BootTime now, double random) {
  const auto base =
      std::min<std::chrono::seconds>(1s * (1 << std::min(entry.failures, kMaxDoublings)), kLongest);
  ++entry.failures;
  const Retry::Duration step = Retry::jittered(base, random);
  wait(entry, now + step, true);
  return {.wait = step, .probe = false, .fatal = false};
}

void JwtSchedule::wait(Entry& entry, BootTime until, bool after_failure) {
  entry.phase = Phase::due;
  entry.due = until;
  entry.after_failure = after_failure;
}

void JwtSchedule::agent_back(BootTime now, const std::function<double()>& random) {
  absent_ = false;
  for (Entry& entry : entries_) {
    const bool waits = entry.phase == Phase::due && (entry.after_failure || entry.due <= now);
    if (!waits) continue;
    entry.due = now + agent_.answered(random());
    entry.failures = 0;
  }
}

}  // namespace spiffe::workload
