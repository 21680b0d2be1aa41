// What a process does with a signal, according to /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <sys/types.h>

namespace spiffe::process {

enum class SignalUse {
  none,     // the default action
  blocked,  // only blocked: for signalfd or sigwait, or for the moment when a shell starts a program
  ignored,  // for ever, or until its handler is installed, as HAProxy does while it starts
  handled,  // caught
};

// From the text of /proc/<pid>/status. `handled` if that does not show it.
[[nodiscard]] SignalUse signal_use(std::string_view status, int signo);

// The address, in the process's memory, of the set of signals that it waits for in sigwait(), from the text
// of /proc/<pid>/syscall; nullopt if it is in another call.
[[nodiscard]] std::optional<std::uintptr_t> awaited_set(std::string_view syscall);

// For the main thread of `pid`, now. `handled` if it cannot be determined.
[[nodiscard]] SignalUse signal_use(pid_t pid, int signo);

}  // namespace spiffe::process
