#include "base/trouble_log.hh"

#include <algorithm>
#include <utility>

namespace spiffe {

TroubleLog::TroubleLog(Loop& loop, Clock clock)
    : clock_(std::move(clock)), timer_(loop, [this] { remind(); }) {}

bool TroubleLog::failed(const std::string& what, std::string_view cause, Line line) {
  const BootTime now = clock_();
  Entry& entry = entries_.try_emplace(what, Trouble(now)).first->second;
  // Hand over first: the entries that were silent because of this one keep the previous cause.
  if (entry.trouble.cause() != cause && !entry.silent) hand_over(entry);
  entry.line = std::move(line);
  Trouble::Say say = entry.trouble.failed(cause, now);
  if (say == Trouble::Say::begins || say == Trouble::Say::changes) {
    entry.silent = other_with_cause(entry, false) != nullptr;
  }
  if (entry.silent) say = Trouble::Say::nothing;
  write(entry, say);
  // If the timer is armed, an older line is due before this one.
  if (!timer_.armed()) arm();
  return say != Trouble::Say::nothing;
}

bool TroubleLog::ended(const std::string& what, const std::string& message, log::Fields fields) {
  const auto found = entries_.find(what);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  if (!entry.silent && !hand_over(entry)) {
    for (auto& field : times(entry, "lasted")) fields.push_back(std::move(field));
    log::info(message, fields);
  }
  entries_.erase(found);
  if (entries_.empty()) timer_.cancel();
  return true;
}

void TroubleLog::forget(const std::string& what) {
  const auto found = entries_.find(what);
  if (found == entries_.end()) return;
  if (!found->second.silent) hand_over(found->second);
  entries_.erase(found);
  if (entries_.empty()) timer_.cancel();
}

void TroubleLog::write(const Entry& entry, Trouble::Say say) const {
  const Line& line = entry.line;
  if (say == Trouble::Say::nothing) return log::write(log::Level::debug, line.message, line.fields);
  if (say == Trouble::Say::begins) return log::write(line.level, line.message, line.fields);
  log::Fields fields = line.fields;
  for (auto& field : times(entry, "for")) fields.push_back(std::move(field));
  log::write(line.level, line.message, fields);
}

log::Fields TroubleLog::times(const Entry& entry, std::string_view word) const {
  const auto lasted = entry.trouble.lasted(clock_());
  // Computed from the current wall clock, which may have been wrong at the time and set since.
  const WallTime since = wall_now() - std::chrono::duration_cast<WallTime::duration>(lasted);
  return {{"since", rfc3339(since)}, {word, human(lasted)}};
}

TroubleLog::Entry* TroubleLog::other_with_cause(const Entry& entry, bool silent) {
  const auto found = std::ranges::find_if(entries_, [&](const auto& named) {
    const Entry& other = named.second;
    return &other != &entry && other.silent == silent && other.trouble.cause() == entry.trouble.cause();
  });
  return found == entries_.end() ? nullptr : &found->second;
}

// Another entry with the same cause reports it from now on.
bool TroubleLog::hand_over(Entry& entry) {
  Entry* heir = other_with_cause(entry, true);
  if (heir == nullptr) return false;
  heir->silent = false;
  heir->trouble.take_over(entry.trouble);
  return true;
}

void TroubleLog::remind() {
  for (auto& [what, entry] : entries_) {
    if (entry.silent) continue;
    const auto say = entry.trouble.look(clock_());
    if (say != Trouble::Say::nothing) write(entry, say);
  }
  arm();
}

void TroubleLog::arm() {
  BootTime next = BootTime::max();
  for (const auto& [what, entry] : entries_) {
    if (!entry.silent) next = std::min(next, entry.trouble.due());
  }
  if (next == BootTime::max()) return timer_.cancel();
  // `clock_` may differ from the timer's clock, so pass a duration.
  timer_.after(std::max(next - clock_(), std::chrono::nanoseconds(0)));
}

}  // namespace spiffe
