// The timers of one clock, on one descriptor: so a timer can always be made, however few the system has left.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "base/fd.hh"
#include "base/result.hh"

namespace spiffe {

// Loop's own; use Timer and WallTimer. Belongs to the loop's thread.
class Alarm {
 public:
  using Time = std::chrono::nanoseconds;  // since the epoch of the clock
  // Of one timer. Must not move while it is armed.
  struct Entry {
    std::function<void()> on_fire;
    bool armed = false;
    Time due{0};
  };

  // `clock`: CLOCK_BOOTTIME, or CLOCK_REALTIME, whose entries all fire as well when somebody sets the clock.
  static Result<std::unique_ptr<Alarm>> create(int clock);

  // Readable when fire() is due, and now and then before.
  [[nodiscard]] int fd() const { return fd_.get(); }
  void set(Entry& entry, Time due);
  void cancel(Entry& entry);
  // Calls what is due, each once. A callback may set and cancel any entry, and drop any but its own.
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
