// A subcommand. Each has its own file, X_command.cc, and a row in the table of commands.cc.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace spiffe::cli {

struct Arguments;

// A flag of one command. Every command also takes -config, -config-format, -agent-address, -timeout,
// -log-level and, if it prints data, -output.
struct CommandFlag {
  std::string_view name;   // without dash
  std::string_view value;  // "DIR"; "text|json": one of these; "a,b": a list of them; "" = boolean
  std::string_view help;   // one line, lower case, no full stop
};

// Which configuration keys are flags of a command. With any, a COMMAND after -- is the program that run
// wraps.
enum class Keys {
  none,
  most,  // all but -timeout and -log-level, which are the command's own
  all,
};

struct Command {
  std::string_view name;
  std::string_view summary;  // one line, lower case, no full stop
  std::string_view help;     // text of -h: usage, flags and two examples, in 80 columns
  // Returns the exit code; errors have been reported. Null for `run`, which app.cc starts itself.
  int (*run)(const Arguments& arguments) = nullptr;
  std::span<const std::string_view> verbs = {};  // if not empty, the first word must be one of them
  std::span<const CommandFlag> flags = {};
  std::size_t max_words = 0;  // in addition to the verb
  bool prints_data = false;   // has -output text|json
  bool prints_pem = false;    // has also -output pem
  Keys keys = Keys::none;
  bool ends_itself = false;  // handles ^C and similar signals itself; they end other commands at once
};

}  // namespace spiffe::cli
