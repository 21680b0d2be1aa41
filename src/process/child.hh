// One running child, from its start until it is reaped.
#pragma once

#include <functional>
#include <optional>

#include "base/loop.hh"
#include "base/result.hh"
#include "process/exit_status.hh"
#include "process/launcher.hh"
#include "process/reaper.hh"

namespace spiffe::process {

// Owns a child process. Destroying this does not affect the process: a running child continues, unreaped.
// Loop thread.
class Child {
 public:
  // `on_ended` is called when the child can be reaped, repeatedly until it is; it may destroy this. Without a
  // pidfd it is never called: then call reap() at every SIGCHLD. With a reaper, which is not owned, the child
  // is claimed there, and `on_ended` must reap it.
  Child(Loop& loop, Launched launched, std::function<void()> on_ended, Reaper* reaper = nullptr);

  [[nodiscard]] pid_t pid() const { return launched_.pid; }
  [[nodiscard]] bool watched() const { return static_cast<bool>(launched_.pidfd); }

  // Never reaches another process: the pid is not reused before the child is reaped here.
  [[nodiscard]] Result<> signal(int signo) const;

  // Signals the process group that the child was made to lead, and the child itself if it has left that
  // group. Never reaches other processes, as above.
  [[nodiscard]] Result<> signal_group(int signo) const;

  // The signal that stopped the child since the last call: SIGTSTP from ^Z, SIGTTIN or SIGTTOU for using the
  // terminal from the background, SIGSTOP from any process. Does not block.
  [[nodiscard]] std::optional<int> stopped() const;

  // The status if the child has ended. The child stays to be reaped: until then its pid and the id of its
  // group are not reused. Does not block.
  [[nodiscard]] std::optional<ExitStatus> ended() const;

  // Keeps a child that has ended unreaped, for as long as its group is needed. `on_ended` is not called any
  // more, and the reaper skips it.
  void hold();

  // Signals the remaining members of the group that it led.
  [[nodiscard]] Result<> signal_rest(int signo) const;

  // The status, once, if the child has ended. Does not block. Do not call it again after it returned a
  // status.
  [[nodiscard]] std::optional<ExitStatus> reap();

 private:
  [[nodiscard]] std::optional<ExitStatus> wait(int flags) const;

  Launched launched_;
  std::optional<Watch> watch_;
  std::optional<Reaper::Claim> claim_;
};

}  // namespace spiffe::process
