// One signal to the process whose number is in a file. A number is a poor name: the file may be stale, or
// half written, and the number another's by now. So: read the file, take hold of the process (pidfd), look at
// it, read the file again, send.
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

// The number in the first line of a PID file that is not blank, as Go reads it: a sign, decimal digits, ASCII
// white space around. Refused: 0 and less, and `own`.
[[nodiscard]] Result<pid_t> parse_pid(std::string_view text, pid_t own);

enum class RefusalCause {
  other,       // a step failed
  judged,      // the process is not the one that is meant, or not ready: pid_file_check would not look
  not_caught,  // the signal would end the process
};

// Why nothing was sent. The message names the step that failed.
struct Refusal {
  Error error;
  bool lasting = false;  // trying again soon is of no use
  bool usual = false;    // nothing is wrong yet: the next look decides
  RefusalCause cause = RefusalCause::other;
};

// What is known of the process that has the number. The last two are of the process, not only of its number.
struct Finding {
  SignalUse use = SignalUse::handled;
  std::optional<WallTime> started;  // nothing: cannot be found out
  WallTime written;                 // the file
  bool signalled_before = false;
  std::chrono::nanoseconds blocked_for{0};  // so long every look found the signal blocked
};

// Whether the process may be the one that is meant, and survives `signo`.
[[nodiscard]] std::expected<void, Refusal> judge(const Finding& finding, int signo);

class PidSignal {
 public:
  // `check` = false: whatever has the number is signalled, unjudged.
  PidSignal(std::string path, int signo, bool check);

  // The pid signalled. Blocks no longer than a local file takes to be read, whatever is at the path.
  [[nodiscard]] std::expected<pid_t, Refusal> send();

  // What send() would signal. Signals nothing.
  [[nodiscard]] std::expected<pid_t, Refusal> look();

 private:
  class Target;

  // A process, and not whoever has its number later.
  struct Identity {
    pid_t pid = 0;
    BootTime started;
    bool operator==(const Identity&) const = default;
  };

  [[nodiscard]] std::expected<Target, Refusal> find();
  [[nodiscard]] std::expected<void, Refusal> check(pid_t pid, WallTime written);
  [[nodiscard]] std::expected<void, Refusal> deliver(const Target& target);
  void warn_no_pidfd();

  std::string path_;
  int signo_;
  bool check_;
  bool warned_no_pidfd_ = false;
  std::optional<Identity> signalled_;      // last
  std::optional<Identity> checked_;        // last
  std::optional<BootTime> blocked_since_;  // by that one
};

}  // namespace spiffe::process
