// Sends one signal to the process whose number is in a file. A number does not identify a process reliably:
// the file may be stale or half written, and the number may belong to another process by now. So: read the
// file, get a handle of the process (pidfd), check it, read the file again, send.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/result.hh"
#include "process/signal_use.hh"

namespace spiffe::process {

// The number in the first non-blank line of a PID file, as Go parses it: a sign, decimal digits, ASCII white
// space around. Refused are numbers below 1, and `own`.
[[nodiscard]] Result<pid_t> parse_pid(std::string_view text, pid_t own);

enum class RefusalCause {
  other,       // a step failed
  judged,      // the process is not the intended one, or not ready; pid_file_check = false skips this check
  not_caught,  // the signal would end the process
};

// Why no signal was sent. The message names the failed step.
struct Refusal {
  Error error;
  bool lasting = false;  // trying again soon does not help
  bool usual = false;    // not an error yet: the next check decides
  RefusalCause cause = RefusalCause::other;
};

// What is known of the process with this number. The last four fields belong to the process, not only to
// its number.
struct Finding {
  SignalUse use = SignalUse::handled;
  std::optional<WallTime> started;  // nullopt if unknown
  WallTime written;                 // when the file was written
  bool signalled_before = false;
  bool caught_before = false;  // it caught the signal when it was last sent
  // Since its start, or since it was last signalled.
  std::chrono::nanoseconds settled_for = std::chrono::nanoseconds::max();
  std::chrono::nanoseconds blocked_for{0};  // for this long, every check found the signal blocked
};

// Whether the process may be the intended one, and survives `signo`.
[[nodiscard]] std::expected<void, Refusal> judge(const Finding& finding, int signo);

class PidSignal {
 public:
  // With `check` false, the process that has the number is signalled without any check.
  PidSignal(std::string path, int signo, bool check);

  // Returns the pid that was signalled. Blocks no longer than it takes to read a local file, whatever is at
  // the path.
  [[nodiscard]] std::expected<pid_t, Refusal> send();

  // Returns the pid that send() would signal. Sends nothing.
  [[nodiscard]] std::expected<pid_t, Refusal> look();

 private:
  class Target;

  // Identifies a process, as opposed to a later one with the same number.
  struct Identity {
    pid_t pid = 0;
    BootTime started;
    bool operator==(const Identity&) const = default;
  };
  struct Sent {
    std::optional<Identity> process;  // nullopt if unknown
    BootTime at;
    bool caught = false;  // the process caught the signal then
  };

  [[nodiscard]] std::expected<Target, Refusal> find();
  [[nodiscard]] std::expected<void, Refusal> check(pid_t pid, WallTime written);
  [[nodiscard]] std::expected<void, Refusal> deliver(const Target& target);
  void warn_no_pidfd();

  std::string path_;
  int signo_;
  bool check_;
  bool warned_no_pidfd_ = false;
  std::optional<Sent> sent_;               // the last signal
  std::optional<Identity> checked_;        // the process checked last
  SignalUse use_ = SignalUse::handled;     // by that process, at that check
  std::optional<BootTime> blocked_since_;  // by `checked_`
};

}  // namespace spiffe::process
