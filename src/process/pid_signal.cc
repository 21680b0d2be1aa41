#include "process/pid_signal.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.hh"
#include "base/log.hh"
#include "base/signals.hh"
#include "base/text.hh"
#include "process/child_machine.hh"
#include "process/proc.hh"

namespace spiffe::process {

namespace {

// A process may start this long after its PID file was written: by a script that execs it, or by its parent.
constexpr std::chrono::seconds kLateStart{5};

constexpr std::size_t kMaxFile = 4096;

std::unexpected<Refusal> refuse(std::string_view step, Error error, bool lasting = false) {
  return std::unexpected(Refusal{context(step, std::move(error)), lasting});
}

Error error_of(int code) {
  return {.kind = ErrorKind::io, .message = errno_text(code), .sys = code};
}

struct Content {
  std::string text;
  WallTime written;
};

WallTime wall_time(const timespec& t) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::seconds(t.tv_sec) +
                                                                 std::chrono::nanoseconds(t.tv_nsec)));
}

std::expected<Content, Refusal> read_pid_file(const std::string& path) {
  const std::string step = "read " + escape(path);
  const auto failed = [&step](int code) {
    return refuse(step, error_of(code), code == EACCES || code == EPERM || code == ELOOP);
  };
  // Check before opening: opening a FIFO waits, and opening a device may have effects.
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return failed(errno);
  if (!S_ISREG(info.st_mode)) return refuse(step, Error{.message = "not a regular file"}, true);
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd || ::fstat(fd.get(), &info) != 0) return failed(errno);
  if (!S_ISREG(info.st_mode)) return refuse(step, Error{.message = "not a regular file"}, true);

  std::array<char, kMaxFile + 1> buffer{};
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t n = ::read(fd.get(), buffer.data() + size, buffer.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > kMaxFile) return refuse(step, Error{.message = "far too large for a PID file"}, true);
  return Content{std::string(buffer.data(), size), wall_time(info.st_mtim)};
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

std::string process_name(pid_t pid) {
  return "process " + std::to_string(pid);
}

}  // namespace

Result<pid_t> parse_pid(std::string_view text, pid_t own) {
  std::string_view digits = trim(text);
  // PostgreSQL's postmaster.pid has eight lines, the first of which is the number.
  digits = trim(digits.substr(0, digits.find('\n')));
  if (digits.empty()) return fail("it is empty");
  const std::string found = quote(digits.substr(0, 40)) + (digits.size() > 40 ? "…" : "");
  if (digits.front() == '+' && digits.size() > 1 && digits[1] != '-') digits.remove_prefix(1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc::invalid_argument || end != digits.data() + digits.size()) {
    return fail(ErrorKind::failed, found + " is not a number",
                "the first line of a PID file is the number of a process, and nothing else");
  }
  if (error != std::errc{} || number <= 0 || number > std::numeric_limits<pid_t>::max()) {
    return fail(found + " is not the number of a process");
  }
  if (number == own) {
    return fail(ErrorKind::failed, found + " is the helper itself",
                "the file is a stale one, or was written in another PID namespace");
  }
  return static_cast<pid_t>(number);
}

std::expected<void, Refusal> judge(const Finding& finding, int signo) {
  const auto late = finding.started ? *finding.started - finding.written : std::chrono::nanoseconds(0);
  const auto refuse = [](std::string message, RefusalCause cause, bool usual = false) {
    Error error{.message = std::move(message),
                .hint = "pid_file_check = false signals whatever has the number"};
    return std::unexpected(Refusal{.error = std::move(error), .usual = usual, .cause = cause});
  };
  if (late > kLateStart && !finding.signalled_before) {
    return refuse("it started " + human(late) +
                      " after the file was written: the number now belongs to another process",
                  RefusalCause::judged);
  }
  // A user who configures one of these two wants the process to end; something else starts it again.
  if (!is_deadly(signo) || signo == SIGTERM || signo == SIGINT) return {};
  // Also for a process signalled before: programs that exec themselves again handle nothing for a moment.
  if (finding.use == SignalUse::none) {
    return refuse("it does not catch " + signal_name(signo) + ", which would end it",
                  RefusalCause::not_caught);
  }
  // The same programs may ignore it for a moment.
  if (finding.use == SignalUse::ignored && finding.settled_for < kGuardGrace) {
    return refuse("it ignores " + signal_name(signo) + ", perhaps for a moment only", RefusalCause::judged,
                  true);
  }
  const bool restarting = finding.caught_before && finding.settled_for < kGuardGrace;
  const bool soon = finding.blocked_for < kGuardPoll && !finding.signalled_before;
  if (finding.use == SignalUse::blocked && (restarting || soon)) {
    return refuse("it blocks " + signal_name(signo) + ", perhaps for a moment only", RefusalCause::judged,
                  true);
  }
  return {};
}

// The process that has the number now. With a pidfd it always means this process, even if the number is
// reused.
class PidSignal::Target {
 public:
  static std::expected<Target, Refusal> open(pid_t pid) {
    Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    // EPERM comes from a seccomp profile older than the call, which itself needs no permission.
    if (!pidfd && errno != ENOSYS && errno != EPERM) {
      return refuse("find " + process_name(pid), error_of(errno));
    }
    Target target(pid, std::move(pidfd));
    if (target.ended()) return refuse("find " + process_name(pid), Error{.message = "it has ended"});
    return target;
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool held() const { return static_cast<bool>(pidfd_); }

  // Returns 0 or errno.
  [[nodiscard]] int send(int signo) const {
    return ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signo, nullptr, 0) == 0 ? 0 : errno;
  }

 private:
  Target(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

  // Signalling a zombie would succeed.
  [[nodiscard]] bool ended() const {
    pollfd waiting{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
    return held() && ::poll(&waiting, 1, 0) > 0;
  }

  pid_t pid_;
  Fd pidfd_;
};

PidSignal::PidSignal(std::string path, int signo, bool check)
    : path_(std::move(path)), signo_(signo), check_(check) {}

std::expected<pid_t, Refusal> PidSignal::send() {
  const auto target = find();
  if (!target) return std::unexpected(target.error());
  if (auto sent = deliver(*target); !sent) return std::unexpected(std::move(sent.error()));
  sent_ = {.process = checked_, .at = BootClock::now(), .caught = use_ == SignalUse::handled};
  return target->pid();
}

std::expected<pid_t, Refusal> PidSignal::look() {
  const auto target = find();
  if (!target) return std::unexpected(target.error());
  return target->pid();
}

std::expected<PidSignal::Target, Refusal> PidSignal::find() {
  const std::string parsing = "parse " + escape(path_);
  const auto first = read_pid_file(path_);
  if (!first) return std::unexpected(first.error());
  const auto pid = parse_pid(first->text, ::getpid());
  if (!pid) return refuse(parsing, pid.error());
  auto target = Target::open(*pid);
  if (!target) return target;
  if (check_) {
    if (auto good = check(*pid, first->written); !good) return std::unexpected(std::move(good.error()));
  }
  const auto again = read_pid_file(path_);
  if (!again) return std::unexpected(again.error());
  if (const auto now = parse_pid(again->text, ::getpid()); !now || *now != *pid) {
    return refuse("read " + escape(path_) + " again", Error{.message = "it has changed"});
  }
  return target;
}

// /proc uses the number. If the process ends and another one is checked instead, sending will fail.
std::expected<void, Refusal> PidSignal::check(pid_t pid, WallTime written) {
  const BootTime now = BootClock::now();
  const auto started = start_time(pid);
  const auto before = std::exchange(
      checked_, started ? std::optional(Identity{.pid = pid, .started = *started}) : std::nullopt);
  Finding finding{.use = signal_use(pid, signo_), .started = {}, .written = written};
  if (started) {
    finding.started = wall_now() - std::chrono::duration_cast<WallTime::duration>(now - *started);
    finding.signalled_before = sent_ && sent_->process == checked_;
    finding.caught_before = finding.signalled_before && sent_->caught;
    finding.settled_for = now - (finding.signalled_before ? sent_->at : *started);
  }
  use_ = finding.use;
  if (finding.use != SignalUse::blocked || checked_ != before) blocked_since_.reset();
  if (finding.use == SignalUse::blocked && !blocked_since_) blocked_since_ = now;
  if (blocked_since_) finding.blocked_for = now - *blocked_since_;
  auto good = judge(finding, signo_);
  if (!good) good.error().error = context("check " + process_name(pid), std::move(good.error().error));
  return good;
}

std::expected<void, Refusal> PidSignal::deliver(const Target& target) {
  int code = target.held() ? target.send(signo_) : ENOSYS;
  // As for pidfd_open, EPERM may be about the call and not about the process.
  if (code == ENOSYS || code == EPERM) {
    code = ::kill(target.pid(), signo_) == 0 ? 0 : errno;
    if (code == 0) warn_no_pidfd();
  }
  if (code == 0) return {};
  Error error = error_of(code);
  if (code == EPERM) error.hint = "run the helper as the user of that process, or with CAP_KILL";
  return refuse("send " + signal_name(signo_) + " to " + process_name(target.pid()), std::move(error),
                code == EPERM);
}

void PidSignal::warn_no_pidfd() {
  if (std::exchange(warned_no_pidfd_, true)) return;
  log::warning("this system offers no pidfd: the process of the PID file is signalled by its number",
               {{"path", path_}});
}

}  // namespace spiffe::process
