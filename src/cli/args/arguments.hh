// The command line of a subcommand as a value. CLI11 behind it.
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
  bool help = false;                  // -h; nothing else was looked at then
  std::string verb;                   // of commands that have verbs
  std::vector<std::string> words;     // what is no flag, without the verb
  config::LoadOptions configuration;  // the file, the keys given as flags, the environment, the command
  bool json = false;                  // -output json
  bool pem = false;                   // -output pem
  std::optional<std::chrono::nanoseconds>
      timeout;  // -timeout, 0 = no limit; not where the command takes keys
  log::Level log_level = log::Level::warning;
  std::vector<std::pair<std::string, std::string>> own;  // flags of the command itself, in order

  // The last value given, "" where there is none.
  [[nodiscard]] std::string_view value(std::string_view flag) const;
  // Whether a boolean flag is set.
  [[nodiscard]] bool set(std::string_view flag) const;
};

// `args` without the command's name. Error kind usage; its hint leads to the command's help.
[[nodiscard]] Result<Arguments> parse_arguments(const Command& command, std::span<const std::string> args);

// Every flag that the command takes, in the order of its help; for completion too.
[[nodiscard]] std::vector<CommandFlag> flags_of(const Command& command);

// What is configured, complete or not: for commands that only want the agent's address and the like.
[[nodiscard]] Result<config::Loaded> load_partial(const Arguments& arguments);

}  // namespace spiffe::cli
