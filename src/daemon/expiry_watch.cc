#include "daemon/expiry_watch.hh"

#include <algorithm>
#include <utility>

namespace spiffe::daemon {

namespace {
// Both kinds are renewed at half of their lifetime: with a quarter left, a renewal is overdue.
constexpr int kWarnFraction = 4;
}  // namespace

ExpiryWatch::ExpiryWatch(Loop& loop, TroubleLog::Clock clock)
    : troubles_(loop, std::move(clock)), timer_(loop, [this] { look_at_all(); }) {}

void ExpiryWatch::watch(const std::string& name, Perishable what, WallTime begin, WallTime end) {
  Life& life = lives_[name];
  if (what.which.value == life.what.which.value && end == life.end) return;
  life = {.what = std::move(what), .warn_at = end - (end - begin) / kWarnFraction, .end = end};
  const WallTime at = look(name, life, wall_now());
  // For an expiry that moved into the future the timer fires too early; then all are checked again.
  if (at < next_) timer_.at(next_ = at);
}

void ExpiryWatch::forget(std::string_view kind, const std::set<std::string>& keep) {
  std::erase_if(lives_, [&](const auto& each) {
    if (each.second.what.kind != kind || keep.contains(each.first)) return false;
    troubles_.forget(each.first);
    return true;
  });
}

void ExpiryWatch::look_at_all() {
  const WallTime now = wall_now();
  next_ = WallTime::max();
  for (auto& [name, life] : lives_) next_ = std::min(next_, look(name, life, now));
  if (!lives_.empty()) timer_.at(next_);
}

WallTime ExpiryWatch::look(const std::string& name, Life& life, WallTime now) {
  log::Fields fields = {life.what.which, {"not_after", rfc3339(life.end)}, {"event", "expired"}};
  if (now >= life.end) {
    if (!std::exchange(life.expired, true)) {
      troubles_.failed(
          name, life.what.which.value + " " + rfc3339(life.end),
          {log::Level::error, "The " + std::string(life.what.kind) + " on disk has expired", fields});
    }
    return now + std::chrono::hours(24 * 365);  // fires early if the clock is set back
  }
  life.expired = false;
  fields.back().value = "renewed";
  troubles_.ended(name, "The " + std::string(life.what.kind) + " on disk is valid again", fields);
  if (now < life.warn_at) return life.warn_at;
  if (!std::exchange(life.warned, true)) {
    fields.back().value = "expiring";
    log::warning("The " + std::string(life.what.kind) + " on disk expires in " + human(life.end - now) +
                     " and has not been renewed",
                 fields);
  }
  return life.end;
}

}  // namespace spiffe::daemon
