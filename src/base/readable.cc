#include "base/readable.hh"

#include <cerrno>
#include <string>

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.hh"
#include "base/signals.hh"

namespace spiffe {

namespace {

sigset_t ending_signals() {
  sigset_t out;
  sigemptyset(&out);
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) {
    struct sigaction action{};
    // The kernel keeps a signal pending that is both blocked and ignored, for example SIGHUP under nohup(1).
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&out, signal);
  }
  return out;
}

}  // namespace

Result<void> wait_readable(int fd) {
  const sigset_t ending = ending_signals();
  const Fd signals(::signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return fail_errno("signalfd", errno);
  for (;;) {
    pollfd waiting[2] = {{fd, POLLIN, 0}, {signals.get(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return fail_errno("poll", errno);
    }
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof info) == sizeof info) {
      return fail(ErrorKind::io, "interrupted by " + signal_name(static_cast<int>(info.ssi_signo)));
    }
    if (waiting[0].revents != 0) return {};
  }
}

}  // namespace spiffe
