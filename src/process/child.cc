#include "process/child.hh"

#include <cerrno>
#include <utility>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/signals.hh"

namespace spiffe::process {

Child::Child(Loop& loop, Launched launched, std::function<void()> on_ended, Reaper* reaper)
    : launched_(std::move(launched)) {
  if (reaper != nullptr) claim_.emplace(reaper->claim(launched_.pid, on_ended));
  if (launched_.pidfd) watch_.emplace(loop, launched_.pidfd.get(), std::move(on_ended));
}

Result<> Child::signal(int signo) const {
  // Old seccomp profiles refuse this call with EPERM although kill(2) may be allowed. Both are safe, because
  // the pid is ours until it is reaped.
  if (launched_.pidfd && ::syscall(SYS_pidfd_send_signal, launched_.pidfd.get(), signo, nullptr, 0) == 0) {
    return {};
  }
  if (::kill(launched_.pid, signo) == 0) return {};
  const int code = errno;
  return fail_errno("send " + signal_name(signo) + " to pid " + std::to_string(launched_.pid), code);
}

Result<> Child::signal_group(int signo) const {
  const bool sent = ::kill(-launched_.pid, signo) == 0;
  const int code = errno;
  if (::getpgid(launched_.pid) != launched_.pid) return signal(signo);
  if (sent) return {};
  return fail_errno("send " + signal_name(signo) + " to process group " + std::to_string(launched_.pid),
                    code);
}

std::optional<int> Child::stopped() const {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(launched_.pid), &info, WSTOPPED | WNOHANG) != 0) return std::nullopt;
  return info.si_pid == 0 ? std::nullopt : std::optional(info.si_status);
}

std::optional<ExitStatus> Child::ended() const {
  return wait(WNOWAIT);
}

void Child::hold() {
  watch_.reset();
  if (claim_) claim_->hold();
}

Result<> Child::signal_rest(int signo) const {
  if (::kill(-launched_.pid, signo) == 0) return {};
  return fail_errno("send " + signal_name(signo) + " to process group " + std::to_string(launched_.pid),
                    errno);
}

std::optional<ExitStatus> Child::reap() {
  return wait(0);
}

std::optional<ExitStatus> Child::wait(int flags) const {
  siginfo_t info{};
  int rc = 0;
  do {
    rc = ::waitid(P_PID, static_cast<id_t>(launched_.pid), &info, WEXITED | WNOHANG | flags);
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) return ExitStatus{.known = false};  // ECHILD
  if (info.si_pid == 0) return std::nullopt;
  return ExitStatus::from(info);
}

}  // namespace spiffe::process
