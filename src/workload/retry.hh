// When to ask again after a stream was lost. Pure: time and chance come in as arguments.
#pragma once

#include <chrono>

#include "workload/failure.hh"

namespace spiffe::workload {

class Retry {
 public:
  using Duration = std::chrono::milliseconds;

  // What to do next. `probe`: try connect(2) after `wait` instead of a new stream (a Unix socket is gone).
  struct Step {
    Duration wait;
    bool probe = false;
    bool fatal =
        false;  // refused before the first good message (rule 7), or not even one connection possible
  };

  // `random` in [0, 1). `boot` is the time of the failure. `unix_socket`: the address can be probed.
  Step lost(FailureKind kind, bool unix_socket, std::chrono::nanoseconds boot, double random);
  // A message was taken: back-off starts afresh, and InvalidArgument is no longer fatal.
  void good_message();
  // The probed socket answers again: how long until the stream is opened (0 to 500 ms).
  Duration answered(double random);
  // The probe failed again: when to try the next one.
  [[nodiscard]] Duration next_probe(std::chrono::nanoseconds boot) const;

  [[nodiscard]] bool ever_good() const { return ever_good_; }

 private:
  int attempts_ = 0;
  bool ever_good_ = false;
  std::chrono::nanoseconds gone_since_{-1};
};

}  // namespace spiffe::workload
