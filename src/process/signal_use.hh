// What a process does with a signal, as /proc tells.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <sys/types.h>

namespace spiffe::process {

enum class SignalUse {
  none,     // the default action
  blocked,  // only blocked: for signalfd or sigwait, or for the moment in which a shell starts a program
  handled,  // caught or ignored
};

// From the text of /proc/<pid>/status. `handled` where it does not tell.
[[nodiscard]] SignalUse signal_use(std::string_view status, int signo);

// Where in its memory a process has the set of signals that it waits for in sigwait(), from the text of
// /proc/<pid>/syscall; nothing where it does something else.
[[nodiscard]] std::optional<std::uintptr_t> awaited_set(std::string_view syscall);

// Of the main thread of `pid`, now. `handled` where that cannot be found out.
[[nodiscard]] SignalUse signal_use(pid_t pid, int signo);

}  // namespace spiffe::process
