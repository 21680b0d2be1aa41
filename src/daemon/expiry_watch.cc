#include "daemon/expiry_watch.hh"

#include <utility>

#include "base/log.hh"

namespace spiffe::daemon {

namespace {
// Agents renew at half of the lifetime: with a quarter left, a renewal is overdue.
constexpr int kWarnFraction = 4;
}  // namespace

ExpiryWatch::ExpiryWatch(Loop& loop) : timer_(loop, [this] { look(); }) {}

void ExpiryWatch::watch(std::string spiffe_id, WallTime not_before, WallTime not_after) {
  if (spiffe_id == spiffe_id_ && not_after == not_after_) return;
  spiffe_id_ = std::move(spiffe_id);
  not_after_ = not_after;
  warn_at_ = not_after - (not_after - not_before) / kWarnFraction;
  warned_ = false;
  expired_ = false;
  look();
}

void ExpiryWatch::look() {
  const WallTime now = wall_now();
  const log::Fields fields = {
      {"spiffe_id", spiffe_id_}, {"not_after", rfc3339(not_after_)}, {"event", "expired"}};
  if (now >= not_after_) {
    if (!std::exchange(expired_, true)) log::error("The X.509-SVID on disk has expired", fields);
    timer_.at(now + std::chrono::hours(24 * 365));  // fires early should the clock be set back
    return;
  }
  expired_ = false;
  if (now < warn_at_) {
    timer_.at(warn_at_);
    return;
  }
  if (!std::exchange(warned_, true)) {
    log::warning("The X.509-SVID on disk expires in " + human(not_after_ - now) + " and has not been renewed",
                 {fields[0], fields[1], {"event", "expiring"}});
  }
  timer_.at(not_after_);
}

}  // namespace spiffe::daemon
