// All timers of one clock share one descriptor, so creating a timer cannot fail when the process has no
// descriptors left.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "base/fd.hh"
#include "base/result.hh"

namespace spiffe {

// An implementation detail of Loop; use Timer and WallTimer. Belongs to the loop's thread.
class Alarm {
 public:
  using Time = std::chrono::nanoseconds;  // since the epoch of the clock
  // One timer. Must not move while it is armed.
  struct Entry {
    std::function<void()> on_fire;
    bool armed = false;
    Time due{0};
  };

  // `clock` is CLOCK_BOOTTIME or CLOCK_REALTIME. With CLOCK_REALTIME, all entries also fire when the clock is
  // set.
  static Result<std::unique_ptr<Alarm>> create(int clock);

  // Readable when fire() is due, and sometimes earlier.
  [[nodiscard]] int fd() const { return fd_.get(); }
  void set(Entry& entry, Time due);
  void cancel(Entry& entry);
  // Calls each entry that is due, once. A callback may set and cancel any entry, and destroy any but its own.
  void fire();

 private:
  Alarm() = default;
  void program();

  int clock_ = 0;
  Fd fd_;
  std::set<std::pair<Time, Entry*>> entries_;  // the armed ones
  Time programmed_ = Time::max();              // when the descriptor becomes readable; max: never
};

}  // namespace spiffe
