// Signals as events. The process blocks them before its first thread starts, so that a library's thread never
// receives one. Children get the original mask and dispositions back.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <signal.h>

#include "base/fd.hh"
#include "base/loop.hh"
#include "base/result.hh"

namespace spiffe {

// The signal state that the process was started with.
struct FoundSignals {
  sigset_t mask{};
  sigset_t ignored{};  // as under nohup(1), or SIGPIPE under systemd
};

// Blocks all signals in the calling thread except those of programming errors (SEGV, BUS, FPE, ILL, TRAP,
// ABRT, SYS). Ignores SIGPIPE, and stops ignoring SIGCHLD, because an ignored SIGCHLD makes children
// impossible to reap. Returns the previous state. Call it once, first in main.
FoundSignals block_signals();

// Delivers blocked signals on the loop's thread.
class SignalWatch {
 public:
  // `on_signal` receives the number. Signals that the kernel coalesced arrive once.
  static Result<std::unique_ptr<SignalWatch>> create(Loop& loop, const sigset_t& signals,
                                                     std::function<void(int)> on_signal);

 private:
  SignalWatch() = default;
  void drain();

  Fd fd_;
  std::function<void(int)> on_signal_;
  std::unique_ptr<Watch> watch_;
};

// Parses "SIGHUP", "HUP", "1", "SIGRTMIN+3" or "RTMAX-1", in any case. The error quotes the text.
[[nodiscard]] Result<int> parse_signal(std::string_view text);

// "SIGHUP" or "SIGRTMIN+3"; "signal 99" for a number without a name.
[[nodiscard]] std::string signal_name(int number);

}  // namespace spiffe
