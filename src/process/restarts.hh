// Whether and when a child that has ended by itself is started again. Pure.
#pragma once

#include <chrono>
#include <optional>

#include "process/policy.hh"

namespace spiffe::process {

// Waits 1, 2, 4 … 60 s, each ±20 % so that a node's children spread; a life of a minute begins anew. Five
// failures in a row of children that lived under 10 s are the end, where there is a limit.
class Restarts {
 public:
  static constexpr int kQuickFailures = 5;
  static constexpr std::chrono::seconds kQuick{10};

  // How long to wait; nothing where it is not to be started again. `failed`: it ended with another code than
  // 0, or could not be started (`lived` 0). `random` in [0, 1). Without a `limit` quick failures only lead to
  // longer waits.
  std::optional<std::chrono::nanoseconds> after(Restart policy, bool failed, std::chrono::nanoseconds lived,
                                                double random, bool limit = true);

  // How long to wait after a start for which the machine had no process or memory: 1, 2, 4 … 60 s as well,
  // but a row of its own, which no failure of the program makes longer, and which counts as none.
  std::chrono::nanoseconds after_shortage(double random);

  // The last answer of after() was nothing because there were too many quick failures.
  [[nodiscard]] bool gave_up() const { return quick_failures_ >= kQuickFailures; }

 private:
  int quick_failures_ = 0;
  std::chrono::seconds wait_{0};           // the last one, without its jitter
  std::chrono::seconds shortage_wait_{0};  // the same after a shortage
};

}  // namespace spiffe::process
