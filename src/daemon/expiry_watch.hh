// Watches NotAfter and exp: nothing is withdrawn when an agent is unreachable, so nobody else would notice
// (rule 17).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/clock.hh"
#include "base/log.hh"
#include "base/loop.hh"
#include "base/trouble_log.hh"

namespace spiffe::daemon {

inline constexpr std::string_view kX509Svid = "X.509-SVID";
inline constexpr std::string_view kJwtSvid = "JWT-SVID";

// What has a lifetime on disk: one of the above, and which, for the log.
struct Perishable {
  std::string_view kind;
  log::Field which;
};

// Loop thread only. Warns when little of the lifetime is left without a renewal, and logs the expiry: again
// and again, until there is something better.
class ExpiryWatch {
 public:
  // `clock`: for what is logged again.
  explicit ExpiryWatch(Loop& loop, TroubleLog::Clock clock = BootClock::now);

  // This is on disk under `name`; forgets what was there before. Said again of the same one, it changes
  // nothing.
  void watch(const std::string& name, Perishable what, WallTime begin, WallTime end);
  // What was published of this kind is no longer looked after.
  void forget(std::string_view kind);

 private:
  struct Life {
    Perishable what;
    WallTime warn_at;
    WallTime end;
    bool warned = false;
    bool expired = false;
  };

  // Returns when it has to be looked at again.
  WallTime look(const std::string& name, Life& life, WallTime now);
  void look_at_all();

  std::map<std::string, Life> lives_;  // by name
  WallTime next_ = WallTime::max();
  TroubleLog troubles_;  // what has expired, by name
  WallTimer timer_;
};

}  // namespace spiffe::daemon
