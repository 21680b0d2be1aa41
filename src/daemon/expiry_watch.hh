// Watches NotAfter and exp. When the agent cannot be reached, nothing else would report an expiry.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.hh"
#include "base/log.hh"
#include "base/loop.hh"
#include "base/trouble_log.hh"

namespace spiffe::daemon {

inline constexpr std::string_view kX509Svid = "X.509-SVID";
inline constexpr std::string_view kJwtSvid = "JWT-SVID";

// A certificate or token on disk: one of the kinds above, and a field that identifies it in the log.
struct Perishable {
  std::string_view kind;
  log::Field which;
};

// Loop thread only. Warns when little of the lifetime is left without a renewal. Logs the expiry, and repeats
// it until there is a valid identity.
class ExpiryWatch {
 public:
  // `clock` is for the repeated log lines.
  explicit ExpiryWatch(Loop& loop, TroubleLog::Clock clock = BootClock::now);

  // `what` is now on disk under `name` and replaces the previous one. Repeated calls with the same one have
  // no effect.
  void watch(const std::string& name, Perishable what, WallTime begin, WallTime end);
  // Stops watching those of this kind that are not in `keep`, by name: we no longer manage these files, so
  // their expiry is not reported.
  void forget(std::string_view kind, const std::set<std::string>& keep = {});

 private:
  struct Life {
    Perishable what;
    WallTime warn_at;
    WallTime end;
    bool warned = false;
    bool expired = false;
  };

  // Returns the time of the next check.
  WallTime look(const std::string& name, Life& life, WallTime now);
  void look_at_all();

  std::map<std::string, Life> lives_;  // by name
  WallTime next_ = WallTime::max();
  TroubleLog troubles_;  // expired ones, by name
  WallTimer timer_;
};

}  // namespace spiffe::daemon
