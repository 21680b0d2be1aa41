// The command line of a subcommand as a value. Uses CLI11.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.hh"
#include "base/result.hh"
#include "cli/args/command.hh"
#include "config/load.hh"

namespace spiffe::cli {

struct Arguments {
  bool help = false;                  // -h; nothing else was checked then
  std::string verb;                   // of commands with verbs
  std::vector<std::string> words;     // arguments that are not flags, without the verb
  config::LoadOptions configuration;  // the file, keys given as flags, the environment, the command
  bool json = false;                  // -output json
  bool pem = false;                   // -output pem
  std::optional<std::chrono::nanoseconds>
      timeout;  // -timeout, 0 = no limit; not set for commands that take keys
  log::Level log_level = log::Level::warning;
  std::vector<std::pair<std::string, std::string>> own;  // the command's own flags, in order

  // The last value given, "" if there is none.
  [[nodiscard]] std::string_view value(std::string_view flag) const;
  // Whether a boolean flag is set.
  [[nodiscard]] bool set(std::string_view flag) const;
};

// `args` without the command's name. Error kind usage; its hint names the command's help.
[[nodiscard]] Result<Arguments> parse_arguments(const Command& command, std::span<const std::string> args);

// All flags of the command, in the order of its help; also for completion.
[[nodiscard]] std::vector<CommandFlag> flags_of(const Command& command);

// The configuration, complete or not: for commands that need only the agent's address and similar settings.
[[nodiscard]] Result<config::Loaded> load_partial(const Arguments& arguments);

}  // namespace spiffe::cli
