// The log of errors that last, by the name of what fails: a line when it begins, when its cause changes,
// every five minutes until it ends (whether or not somebody tries again meanwhile), and when it ends.
//
//   TroubleLog troubles(loop);
//   …
//   if (!done) troubles.failed("", done.error().message, {log::Level::error, "Unable to run it", fields});
//   else troubles.ended("", "It runs again", {{"event", "hook_restored"}});
//
// Lines after the first have two fields more: `since` (RFC 3339) and `for` ("10m"); the last one has `since`
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

// Loop thread only. One timer serves all of its troubles: a thousand files that fail cost one descriptor.
class TroubleLog {
 public:
  struct Line {
    log::Level level = log::Level::error;
    std::string message;
    log::Fields fields = {};  // with the error's hint, where it has one
  };
  using Clock = std::function<BootTime()>;

  explicit TroubleLog(Loop& loop, Clock clock = BootClock::now);

  // `what` failed. What fails for the same `cause` as something else here is logged at debug level only: a
  // directory that cannot be written is one error, not one for each file. So where each failure is worth a
  // line of its own, `cause` has to say what failed. Returns whether the line was logged at its level.
  bool failed(const std::string& what, std::string_view cause, Line line);

  // `what` works. Where it did not before, logs `message` at info level, but for a cause that others still
  // have. Returns whether it did not work before.
  bool ended(const std::string& what, const std::string& message, log::Fields fields = {});

  // Nobody asks for `what` any more: it has neither failed nor ended.
  void forget(const std::string& what);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool has(const std::string& what) const { return entries_.contains(what); }

 private:
  struct Entry {
    Trouble trouble;
    Line line;
    bool silent = false;  // another one is logged for the same cause
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
