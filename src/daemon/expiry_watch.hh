// Watches NotAfter: nothing is withdrawn when an agent is unreachable, so nobody else would notice (rule 17).
#pragma once

#include <string>

#include "base/clock.hh"
#include "base/loop.hh"

namespace spiffe::daemon {

// Loop thread only. Warns when little of the lifetime is left without a renewal, and logs the expiry.
class ExpiryWatch {
 public:
  explicit ExpiryWatch(Loop& loop);

  // This identity is on disk; forgets the one before. Said again of the same one, it changes nothing.
  void watch(std::string spiffe_id, WallTime not_before, WallTime not_after);
  // What was published is no longer looked after.
  void stop() { timer_.cancel(); }

 private:
  void look();

  std::string spiffe_id_;
  WallTime warn_at_;
  WallTime not_after_;
  bool warned_ = false;
  bool expired_ = false;
  WallTimer timer_;
};

}  // namespace spiffe::daemon
