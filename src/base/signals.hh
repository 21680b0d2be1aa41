// Signals as events. The process blocks them before its first thread exists, so that no thread of a library
// ever takes one; children get back what was found.
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

// What a process was started with.
struct FoundSignals {
  sigset_t mask{};
  sigset_t ignored{};  // as under nohup(1), or SIGPIPE under systemd
};

// Blocks every signal but those of programming errors (SEGV, BUS, FPE, ILL, TRAP, ABRT, SYS) in the calling
// thread, ignores SIGPIPE, and no longer SIGCHLD, or no child could be reaped. Returns what was found. Call
// once, first thing in main.
FoundSignals block_signals();

// Delivers blocked signals on the loop's thread.
class SignalWatch {
 public:
  // `on_signal` gets the number; what the kernel coalesced arrives once.
  static Result<std::unique_ptr<SignalWatch>> create(Loop& loop, const sigset_t& signals,
                                                     std::function<void(int)> on_signal);

 private:
  SignalWatch() = default;
  void drain();

  Fd fd_;
  std::function<void(int)> on_signal_;
  std::unique_ptr<Watch> watch_;
};

// "SIGHUP", "HUP", "1", "SIGRTMIN+3", "RTMAX-1" in any case -> the number. The error names what was found.
[[nodiscard]] Result<int> parse_signal(std::string_view text);

// "SIGHUP", "SIGRTMIN+3"; "signal 99" where it has no name.
[[nodiscard]] std::string signal_name(int number);

}  // namespace spiffe
