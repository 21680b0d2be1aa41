// What a subcommand is. Each has a file of its own, X_command.cc, and a line in the table of commands.cc.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace spiffe::cli {

struct Arguments;

// A flag of one command. Every command takes -config, -config-format, -agent-address, -timeout, -log-level
// and, where it prints data, -output too.
struct CommandFlag {
  std::string_view name;   // without dash
  std::string_view value;  // "DIR"; "text|json": one of these words; "a,b": a list of them; "" = boolean
  std::string_view help;   // one line, lower case, no full stop
};

// Which configuration keys are flags of a command. With any, a COMMAND behind -- is the program that run
// wraps.
enum class Keys {
  none,
  most,  // but -timeout and -log-level, which are the command's own
  all,
};

struct Command {
  std::string_view name;
  std::string_view summary;  // one line, lower case, no full stop
  std::string_view help;     // what -h prints: usage, flags and two examples, in 80 columns
  // Returns the exit code; errors have been told. Null for `run`, which app.cc starts itself.
  int (*run)(const Arguments& arguments) = nullptr;
  std::span<const std::string_view> verbs = {};  // where it has any, its first word must be one of them
  std::span<const CommandFlag> flags = {};
  std::size_t max_words = 0;  // besides the verb
  bool prints_data = false;   // takes -output text|json
  bool prints_pem = false;    // and -output pem
  Keys keys = Keys::none;
  bool ends_itself = false;  // watches for ^C and its like; any other command they just end
};

}  // namespace spiffe::cli
