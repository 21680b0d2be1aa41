// Logs errors that last, by the name of the failing operation: one line when the error begins, one when its
// cause changes, one every five minutes (with or without further attempts), and one when it ends.
//
//   TroubleLog troubles(loop);
//   …
//   if (!done) troubles.failed("", done.error().message, {log::Level::error, "Unable to run it", fields});
//   else troubles.ended("", "It runs again", {{"event", "hook_restored"}});
//
// Lines after the first have two more fields: `since` (RFC 3339) and `for` ("10m"); the last one has `since`
// and `lasted`.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/log.hh"
#include "base/loop.hh"
#include "base/trouble.hh"

namespace spiffe {

// Loop thread only. One timer serves all entries, so a thousand failing files cost one descriptor.
class TroubleLog {
 public:
  struct Line {
    log::Level level = log::Level::error;
    std::string message;
    log::Fields fields = {};  // includes the error's hint, if it has one
  };
  using Clock = std::function<BootTime()>;

  explicit TroubleLog(Loop& loop, Clock clock = BootClock::now);

  // Records that `what` failed. If another entry already failed for the same `cause`, it is logged at debug
  // level only: a directory that cannot be written is one error, not one per file. If each failure deserves
  // its own line, `cause` must include the name of what failed. Returns whether the line was logged at its
  // own level.
  bool failed(const std::string& what, std::string_view cause, Line line);

  // Records that `what` works. If it failed before, logs `message` at info level, unless another entry still
  // has the same cause. Returns whether it failed before.
  bool ended(const std::string& what, const std::string& message, log::Fields fields = {});

  // Drops `what`, which is no longer used and has neither failed nor ended. Logs nothing.
  void forget(const std::string& what);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool has(const std::string& what) const { return entries_.contains(what); }

 private:
  struct Entry {
    Trouble trouble;
    Line line;
    bool silent = false;  // another entry logs the same cause
  };

  void write(const Entry& entry, Trouble::Say say) const;
  [[nodiscard]] log::Fields times(const Entry& entry, std::string_view word) const;
  [[nodiscard]] Entry* other_with_cause(const Entry& entry, bool silent);
  bool hand_over(Entry& entry);
  void remind();
  void arm();

  Clock clock_;
  std::map<std::string, Entry> entries_;
  Timer timer_;
};

}  // namespace spiffe
