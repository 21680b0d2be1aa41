// The controlling terminal, lent to the child in wrap mode as a shell lends it to a job: ^C reaches the child
// alone, and ^Z stops both of us. termios(3), "job control" in POSIX.1-2017 volume 1, 11.1.
#pragma once

#include <optional>

#include <sys/types.h>

#include "base/fd.hh"

namespace spiffe::process {

// Loop thread. SIGTTOU must be blocked (block_signals()), or taking the terminal back would stop us.
class Terminal {
 public:
  // Nothing where this process has none.
  [[nodiscard]] static std::optional<Terminal> find();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Our own process group is in the foreground.
  [[nodiscard]] bool ours() const;
  // Puts the child's group into the foreground, or ours back where the child's is there or was.
  void lend(pid_t group) const;
  void take_back(pid_t group) const;
  // The kernel has taken it away: SIGHUP meant that.
  [[nodiscard]] bool hung_up() const;

  // Where it is lent to `group`, takes it back for those of our own group that were stopped for want of it,
  // and continues them. The child gets it again when it asks for it.
  void share(pid_t group) const;

  // Stops our own group as ^Z does, for the shell to see, until the shell continues it. Nothing where no
  // shell waits for us: nobody would continue it.
  void stop() const;
  // The child's group was stopped by `signo`: stops our own as well, and then continues it. Only continues it
  // where it wanted the terminal and we are in the foreground by now: then it gets it. SIGSTOP, by which
  // shells and others suspend themselves, counts only where the child had the terminal and a shell waits.
  void stop_with(pid_t group, int signo) const;

 private:
  explicit Terminal(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace spiffe::process
