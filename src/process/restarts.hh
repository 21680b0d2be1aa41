// Whether and when a child that ended by itself is started again. Pure.
#pragma once

#include <chrono>
#include <optional>

#include "process/policy.hh"

namespace spiffe::process {

// Waits 1, 2, 4 … 60 s, each ±20 % so that the children of a node do not restart together. A child that lived
// for a minute resets the wait. With a limit, five failures in a row of children that lived under 10 s end
// the restarts.
class Restarts {
 public:
  static constexpr int kQuickFailures = 5;
  static constexpr std::chrono::seconds kQuick{10};

  // How long to wait; nullopt if the child is not started again. `failed` means that it ended with a code
  // other than 0, or could not be started (`lived` 0). `random` is in [0, 1). Without a `limit`, quick
  // failures only lead to longer waits.
  std::optional<std::chrono::nanoseconds> after(Restart policy, bool failed, std::chrono::nanoseconds lived,
                                                double random, bool limit = true);

  // How long to wait after a start for which the machine had no process or memory: also 1, 2, 4 … 60 s, but
  // counted separately: failures of the program do not make this wait longer, and a shortage does not count
  // as a failure.
  std::chrono::nanoseconds after_shortage(double random);

  // Whether the last after() returned nullopt because of too many quick failures.
  [[nodiscard]] bool gave_up() const { return quick_failures_ >= kQuickFailures; }

 private:
  int quick_failures_ = 0;
  std::chrono::seconds wait_{0};           // the last one, without jitter
  std::chrono::seconds shortage_wait_{0};  // likewise, after a shortage
};

}  // namespace spiffe::process
