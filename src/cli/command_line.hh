// The command line of `run` as a value: which action, which flags. Uses CLI11.
#pragma once

#include <string>
#include <vector>

#include "base/result.hh"
#include "config/load.hh"

namespace spiffe::cli {

struct CommandLine {
  enum class Action { run, help, version };
  Action action = Action::run;
  std::string config_path = "helper.conf";
  bool config_given = false;
  std::string config_format;               // "" = by the file's name
  std::vector<config::FlagValue> flags;    // keys given as flags, in order
  std::vector<std::string> child_command;  // words after "--"
};

// Error kind usage.
[[nodiscard]] Result<CommandLine> parse_command_line(const std::vector<std::string>& args);

// The text of -h.
[[nodiscard]] std::string usage_text();

}  // namespace spiffe::cli
