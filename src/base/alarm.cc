#include "base/alarm.hh"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include <sys/timerfd.h>
#include <time.h>

namespace spiffe {

Result<std::unique_ptr<Alarm>> Alarm::create(int clock) {
  std::unique_ptr<Alarm> self(new Alarm);
  self->clock_ = clock;
  self->fd_ = Fd(::timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!self->fd_) return fail_errno("timerfd_create", errno);
  return self;
}

void Alarm::set(Entry& entry, Time due) {
  if (entry.armed && entry.due == due) return;
  cancel(entry);
  entries_.emplace(due, &entry);
  entry.armed = true;
  entry.due = due;
  // If the first entry is now later, the descriptor just becomes readable once too early.
  if (due < programmed_) program();
}

void Alarm::cancel(Entry& entry) {
  if (std::exchange(entry.armed, false)) entries_.erase({entry.due, &entry});
}

void Alarm::fire() {
  std::uint64_t count = 0;
  const bool clock_was_set = ::read(fd_.get(), &count, sizeof count) < 0 && errno == ECANCELED;
  timespec ts{};
  ::clock_gettime(clock_, &ts);
  const Time now = std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
  const auto end = clock_was_set ? entries_.end() : entries_.lower_bound({now + Time(1), nullptr});
  const std::vector<std::pair<Time, Entry*>> due(entries_.begin(), end);
  programmed_ = Time::max();
  for (const auto& each : due) {
    if (entries_.erase(each) == 0) continue;  // cancelled, destroyed or postponed by an earlier callback
    each.second->armed = false;
    // Before the callback, which may throw: the remaining entries still need the descriptor.
    if (!entries_.empty() && entries_.begin()->first <= now) program();
    each.second->on_fire();
  }
  program();
}

void Alarm::program() {
  if (entries_.empty()) return;
  programmed_ = entries_.begin()->first;
  // An all-zero time would disarm the timer.
  const Time at = std::max(programmed_, Time(1));
  const auto s = std::chrono::floor<std::chrono::seconds>(at);
  const itimerspec spec{.it_interval = {}, .it_value = {.tv_sec = s.count(), .tv_nsec = (at - s).count()}};
  const int on_set = clock_ == CLOCK_REALTIME ? TFD_TIMER_CANCEL_ON_SET : 0;
  ::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME | on_set, &spec, nullptr);
}

}  // namespace spiffe
