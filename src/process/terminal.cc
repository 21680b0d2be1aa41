#include "process/terminal.hh"

#include <cstdlib>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

namespace spiffe::process {

namespace {

pid_t parent_of(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view kName = "PPid:";
    if (line.starts_with(kName))
      return static_cast<pid_t>(std::strtol(line.c_str() + kName.size(), nullptr, 10));
  }
  return 0;
}

// Whether the process that created our process group can continue it: it is in our session, but in another
// group. The leader of our group may be another process of the same pipeline or script.
bool shell_waits() {
  const pid_t parent = ::getpgrp() == ::getpid() ? ::getppid() : parent_of(::getpgrp());
  return parent > 0 && ::getsid(parent) == ::getsid(0) && ::getpgid(parent) != ::getpgrp();
}

// Returns when the shell continues it.
void stop_our_group() {
  ::kill(0, SIGTSTP);  // for the others of a pipeline; we block it, and SIGCONT discards it
  ::raise(SIGSTOP);
}

}  // namespace

std::optional<Terminal> Terminal::find() {
  Fd fd(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!fd) return std::nullopt;
  return Terminal(std::move(fd));
}

bool Terminal::ours() const {
  return ::tcgetpgrp(fd_.get()) == ::getpgrp();
}

void Terminal::lend(pid_t group) const {
  static_cast<void>(::tcsetpgrp(fd_.get(), group));
}

void Terminal::take_back(pid_t group) const {
  if (::tcgetpgrp(fd_.get()) == group) static_cast<void>(::tcsetpgrp(fd_.get(), ::getpgrp()));
}

bool Terminal::hung_up() const {
  pollfd state{.fd = fd_.get(), .events = 0, .revents = 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & POLLHUP) != 0;
}

void Terminal::share(pid_t group) const {
  if (group > 0) take_back(group);
  if (ours()) ::kill(0, SIGCONT);
}

void Terminal::stop() const {
  if (shell_waits()) stop_our_group();
}

void Terminal::stop_with(pid_t group, int signo) const {
  if (signo == SIGSTOP && (::tcgetpgrp(fd_.get()) != group || !shell_waits())) return;
  // A shell that brings a job to the foreground continues it only if it was stopped.
  const bool brought_back = (signo == SIGTTIN || signo == SIGTTOU) && ours();
  if (!brought_back && shell_waits()) {
    take_back(group);
    stop_our_group();
  }
  if (ours()) lend(group);
  ::kill(-group, SIGCONT);
}

}  // namespace spiffe::process
