// The command line as a value: which command, which flags. CLI11 behind it.
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
  std::vector<config::FlagValue> flags;    // every key given as a flag, in order
  std::vector<std::string> child_command;  // what stands behind "--"
};

// Error kind usage.
[[nodiscard]] Result<CommandLine> parse_command_line(const std::vector<std::string>& args);

// What -h prints.
[[nodiscard]] std::string usage_text();

}  // namespace spiffe::cli
