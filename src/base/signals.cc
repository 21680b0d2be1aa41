#include "base/signals.hh"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <sys/signalfd.h>

#include "base/text.hh"

namespace spiffe {

namespace {

constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// "RTMIN", "RTMIN+3", "RTMAX-2" -> number, or 0.
int parse_realtime(std::string_view name) {
  const bool from_min = name.starts_with("RTMIN");
  if (!from_min && !name.starts_with("RTMAX")) return 0;
  std::string_view rest = name.substr(5);
  int offset = 0;
  if (!rest.empty()) {
    if (rest[0] != (from_min ? '+' : '-') || rest.size() < 2) return 0;
    const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), offset);
    if (error != std::errc{} || end != rest.data() + rest.size() || offset < 0) return 0;
  }
  const int number = from_min ? SIGRTMIN + offset : SIGRTMAX - offset;
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : 0;
}

sigset_t ignored_signals() {
  sigset_t out;
  sigemptyset(&out);
  for (int signo = 1; signo < NSIG; ++signo) {
    struct sigaction action{};
    if (::sigaction(signo, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) sigaddset(&out, signo);
  }
  return out;
}

}  // namespace

FoundSignals block_signals() {
  FoundSignals found;
  sigset_t all;
  sigfillset(&all);
  for (const int fault : kFaults) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &found.mask);
  found.ignored = ignored_signals();
  if (sigismember(&found.ignored, SIGCHLD) == 1) ::signal(SIGCHLD, SIG_DFL);
  ::signal(SIGPIPE, SIG_IGN);
  return found;
}

Result<std::unique_ptr<SignalWatch>> SignalWatch::create(Loop& loop, const sigset_t& signals,
                                                         std::function<void(int)> on_signal) {
  std::unique_ptr<SignalWatch> self(new SignalWatch);
  self->fd_ = Fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!self->fd_) {
    Error error = fail_errno("signalfd", errno).error();
    error.hint = "raise the limit of open files: ulimit -n, LimitNOFILE=";
    return fail(std::move(error));
  }
  self->on_signal_ = std::move(on_signal);
  self->watch_ = std::make_unique<Watch>(loop, self->fd_.get(), [raw = self.get()] { raw->drain(); });
  return self;
}

void SignalWatch::drain() {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == sizeof info) on_signal_(static_cast<int>(info.ssi_signo));
}

Result<int> parse_signal(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) {
    if (number >= 1 && number <= SIGRTMAX && (number <= 31 || number >= SIGRTMIN)) return number;
    return fail(ErrorKind::config, "no signal has the number " + std::string(text));
  }
  std::string name = upper(text);
  if (name.starts_with("SIG")) name.erase(0, 3);
  if (const int rt = parse_realtime(name); rt != 0) return rt;
  if (name == "IOT") return SIGABRT;
  if (name == "CLD") return SIGCHLD;
  if (name == "POLL") return SIGIO;
  for (int i = 1; i < 32; ++i) {
    const char* abbreviation = ::sigabbrev_np(i);
    if (abbreviation != nullptr && name == abbreviation) return i;
  }
  return fail(ErrorKind::config, "no signal is called " + quote(text));
}

std::string signal_name(int number) {
  if (const char* abbreviation = number > 0 && number < 32 ? ::sigabbrev_np(number) : nullptr) {
    return std::string("SIG") + abbreviation;
  }
  if (number >= SIGRTMIN && number <= SIGRTMAX) {
    return number == SIGRTMIN ? "SIGRTMIN" : "SIGRTMIN+" + std::to_string(number - SIGRTMIN);
  }
  return "signal " + std::to_string(number);
}

}  // namespace spiffe
