// One running child, from its start to its reaping.
#pragma once

#include <functional>
#include <optional>

#include "base/loop.hh"
#include "base/result.hh"
#include "process/exit_status.hh"
#include "process/launcher.hh"
#include "process/reaper.hh"

namespace spiffe::process {

// Owns a child process. Destroying it leaves the process alone: a child that still runs goes on, unreaped.
// Loop thread.
class Child {
 public:
  // `on_ended` is called when the child can be reaped, until it is; it may destroy this. Without a pidfd it
  // is never called: then reap() at every SIGCHLD. Where there is a reaper, which is not owned, the child is
  // claimed, and `on_ended` must reap it.
  Child(Loop& loop, Launched launched, std::function<void()> on_ended, Reaper* reaper = nullptr);

  [[nodiscard]] pid_t pid() const { return launched_.pid; }
  [[nodiscard]] bool watched() const { return static_cast<bool>(launched_.pidfd); }

  // Never reaches another process: the pid is not reused before it is reaped here.
  [[nodiscard]] Result<> signal(int signo) const;

  // To the process group that the child was made to lead, and to the child where it has left that; true to
  // the same promise.
  [[nodiscard]] Result<> signal_group(int signo) const;

  // The signal that has stopped it since the last call: SIGTSTP of ^Z, SIGTTIN or SIGTTOU of using the
  // terminal from the background, SIGSTOP of whoever wanted it. Does not block.
  [[nodiscard]] std::optional<int> stopped() const;

  // The status if the child has ended. It stays there to be reaped: until then its pid and the group that it
  // led are nobody else's. Does not block.
  [[nodiscard]] std::optional<ExitStatus> ended() const;

  // Of a child that has ended: lets it stay unreaped for as long as its group is of use. `on_ended` is not
  // called any more, and the reaper passes over it.
  void hold();

  // To what is left of the group that it led.
  [[nodiscard]] Result<> signal_rest(int signo) const;

  // The status, once, if the child has ended. Does not block. Not to be asked again after an answer.
  [[nodiscard]] std::optional<ExitStatus> reap();

 private:
  [[nodiscard]] std::optional<ExitStatus> wait(int flags) const;

  Launched launched_;
  std::optional<Watch> watch_;
  std::optional<Reaper::Claim> claim_;
};

}  // namespace spiffe::process
