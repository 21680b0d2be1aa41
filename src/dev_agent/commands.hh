// The commands of the control socket: one on each line, answered by one line, "ok …" or "error: …".
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dev_agent/agent.hh"

namespace spiffe::dev_agent {

struct Command {
  std::string_view name;
  std::string_view arguments;  // for the help
  std::string_view what;
  Result<std::string> (*run)(Agent& agent, std::string_view arguments);
};
[[nodiscard]] std::span<const Command> commands();

// The answer to `line`, without the newline. Names of faults are commands as well. Some commands wait (wait,
// streams).
[[nodiscard]] std::string answer(Agent& agent, std::string_view line);

}  // namespace spiffe::dev_agent
