// When to open a stream again after it ended. Pure: time and random numbers are arguments.
#pragma once

#include <chrono>

#include "workload/failure.hh"

namespace spiffe::workload {

class Retry {
 public:
  using Duration = std::chrono::milliseconds;

  // `probe`: after `wait`, try connect(2) instead of a new stream, because a Unix socket is missing.
  struct Step {
    Duration wait;
    bool probe = false;
    // InvalidArgument or Unimplemented before the first good message (Workload Endpoint, appendix A), or this
    // process cannot open even one connection.
    bool fatal = false;
  };

  // `random` in [0, 1). `boot` is the time of the failure. `unix_socket`: the address can be probed.
  Step lost(FailureKind kind, bool unix_socket, std::chrono::nanoseconds boot, double random);
  // `base`, and up to a fifth longer, so that the helpers of a node do not ask together. `random` in [0, 1).
  [[nodiscard]] static Duration jittered(std::chrono::seconds base, double random);
  // A message was accepted: the back-off starts again, and InvalidArgument is no longer fatal, since another
  // server may use the socket for a moment during an upgrade.
  void good_message();
  // The probed socket answers again. Returns the wait before the stream is opened (0 to 500 ms).
  Duration answered(double random);
  // The probe failed again. Returns the wait before the next one.
  [[nodiscard]] Duration next_probe(std::chrono::nanoseconds boot) const;

  [[nodiscard]] bool ever_good() const { return ever_good_; }

 private:
  int attempts_ = 0;
  bool ever_good_ = false;
  std::chrono::nanoseconds gone_since_{-1};
};

}  // namespace spiffe::workload
