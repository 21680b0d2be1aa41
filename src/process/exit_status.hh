// How a child ended.
#pragma once

#include <string>

#include <signal.h>

namespace spiffe::process {

struct ExitStatus {
  int code = 0;              // if it exited by itself
  int signal = 0;            // the signal that killed it, else 0
  bool core_dumped = false;  // only with a signal
  bool known = true;         // false if another part of the process has reaped it

  bool operator==(const ExitStatus&) const = default;

  // From waitid(2) with WEXITED.
  [[nodiscard]] static ExitStatus from(const siginfo_t& info);

  // "exited with code 3", "was killed by SIGSEGV (core dumped)".
  [[nodiscard]] std::string words() const;

  // As a shell reports it: the code, or 128 + the signal's number.
  [[nodiscard]] int shell_code() const { return signal == 0 ? code : 128 + signal; }
};

}  // namespace spiffe::process
