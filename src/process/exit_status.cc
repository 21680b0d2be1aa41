#include "process/exit_status.hh"

#include <sys/wait.h>

#include "base/signals.hh"

namespace spiffe::process {

ExitStatus ExitStatus::from(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {.code = info.si_status};
  return {.signal = info.si_status, .core_dumped = info.si_code == CLD_DUMPED};
}

std::string ExitStatus::words() const {
  if (!known) return "ended; its exit status is not known";
  if (signal == 0) return "exited with code " + std::to_string(code);
  return "was killed by " + signal_name(signal) + (core_dumped ? " (core dumped)" : "");
}

}  // namespace spiffe::process
