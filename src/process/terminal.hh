// The controlling terminal, lent to the child in wrap mode as a shell lends it to a job: ^C reaches only the
// child, and ^Z stops both. termios(3), "job control" in POSIX.1-2017 volume 1, 11.1.
#pragma once

#include <optional>

#include <sys/types.h>

#include "base/fd.hh"

namespace spiffe::process {

// Loop thread. SIGTTOU must be blocked (block_signals()), because otherwise taking the terminal back would
// stop us.
class Terminal {
 public:
  // nullopt if this process has no terminal.
  [[nodiscard]] static std::optional<Terminal> find();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Whether our own process group is in the foreground.
  [[nodiscard]] bool ours() const;
  // lend() puts the child's group into the foreground; take_back() puts ours back if the child's group is or
  // was there.
  void lend(pid_t group) const;
  void take_back(pid_t group) const;
  // Whether the kernel has taken it away, which is what a SIGHUP meant.
  [[nodiscard]] bool hung_up() const;

  // If the terminal is lent to `group`, takes it back for members of our own group that were stopped because
  // they need it, and continues them. The child gets it again when it requests it.
  void share(pid_t group) const;

  // Stops our own group as ^Z does, visible to the shell, until the shell continues it. Does nothing if no
  // shell waits for us, because then no process would continue it.
  void stop() const;
  // The child's group was stopped by `signo`: stops our own as well, and continues the child's after ours is
  // continued. If the child wanted the terminal and we are in the foreground by now, it only gets the
  // terminal and is continued. SIGSTOP, by which shells and others suspend themselves, counts only if the
  // child had the terminal and a shell waits.
  void stop_with(pid_t group, int signo) const;

 private:
  explicit Terminal(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace spiffe::process
