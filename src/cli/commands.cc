#include "cli/commands.hh"

#include <algorithm>
#include <array>
#include <vector>

#include <signal.h>

#include "base/log.hh"
#include "base/text.hh"
#include "cli/agent/fetch_command.hh"
#include "cli/agent/watch_command.hh"
#include "cli/args/arguments.hh"
#include "cli/command_line.hh"
#include "cli/completion_command.hh"
#include "cli/config_command.hh"
#include "cli/doctor/doctor_command.hh"
#include "cli/files/show_command.hh"
#include "cli/files/verify_command.hh"
#include "cli/health_command.hh"
#include "cli/manual.hh"
#include "cli/text/exit.hh"
#include "cli/text/stdout.hh"
#include "cli/text/voice.hh"
#include "cli/version_command.hh"

namespace spiffe::cli {

namespace {

constexpr Command kRun = {
    .name = "run", .summary = "fetch, write and renew; the command where none is named", .help = {}};

constexpr std::string_view kHelpHelp = R"(Usage: spiffe-helper help [COMMAND]

Prints what a command does and which flags it takes; without one, which commands
there are.

Flags:
  -mdoc commands|keys   instead: this part of the manual pages, as mdoc(7)

Examples:
  spiffe-helper help
  spiffe-helper help run
)";

constexpr std::array<CommandFlag, 1> kHelpFlags = {{{"mdoc", "commands|keys", "a part of the manual pages"}}};

int help(const Arguments& arguments) {
  if (const auto part = arguments.value("mdoc"); !part.empty())
    return print(part == "keys" ? manual_of_keys() : manual_of_commands());
  if (arguments.words.empty()) return print(overview());
  const Command* command = find_command(arguments.words[0]);
  return command != nullptr ? print(help_of(*command)) : report(unknown_command(arguments.words[0]));
}

constexpr Command kHelpCommand = {.name = "help",
                                  .summary = "explain a command",
                                  .help = kHelpHelp,
                                  .run = &help,
                                  .flags = kHelpFlags,
                                  .max_words = 1};

constexpr std::array kCommands = {
    &kRun,           &kFetchCommand,  &kWatchCommand,      &kShowCommand,    &kVerifyCommand, &kDoctorCommand,
    &kConfigCommand, &kHealthCommand, &kCompletionCommand, &kVersionCommand, &kHelpCommand};

// main() blocks all signals, for commands that handle them. Other commands have nothing to clean up, so ^C
// ends them, even while they wait for an answer or for a pipe.
void let_signals_end_us() {
  sigset_t ending;
  sigemptyset(&ending);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) sigaddset(&ending, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &ending, nullptr);
}

}  // namespace

std::span<const Command* const> commands() {
  return kCommands;
}

const Command* find_command(std::string_view name) {
  const auto found = std::ranges::find(kCommands, name, &Command::name);
  return found == kCommands.end() ? nullptr : *found;
}

std::string overview() {
  std::string text = R"(Usage: spiffe-helper [COMMAND] [flags]

Keeps the identity that the SPIFFE Workload API gives a workload in files, and
answers when something about it is in doubt.

Commands:
)";
  for (const Command* command : commands()) {
    std::string left = "  " + std::string(command->name);
    left.resize(std::max<std::size_t>(left.size() + 2, 14), ' ');
    text += left + std::string(command->summary) + "\n";
  }
  text += R"(
A command line that begins with a flag is for run. "spiffe-helper help COMMAND"
or "spiffe-helper COMMAND -h" says more.

Examples:
  spiffe-helper -config /etc/spiffe-helper/helper.conf
  spiffe-helper help run
)";
  return text;
}

std::string help_of(const Command& command) {
  return command.run == nullptr ? usage_text() : std::string(command.help);
}

Error unknown_command(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Command* command : commands()) names.push_back(command->name);
  const std::string_view near = nearest(word, names);
  return {ErrorKind::usage, "unknown command " + quote(word),
          near.empty() ? "spiffe-helper help lists the commands" : "did you mean " + std::string(near) + "?"};
}

bool is_subcommand(std::span<const std::string> args) {
  return !args.empty() && !args[0].starts_with('-') && args[0] != kRun.name;
}

int run_subcommand(std::span<const std::string> args) {
  const Command* command = find_command(args[0]);
  if (command == nullptr) return report(unknown_command(args[0]));
  const auto arguments = parse_arguments(*command, args.subspan(1));
  if (!arguments) return report(arguments.error());
  if (arguments->help) return print(help_of(*command));
  log::configure(arguments->log_level, log::Format::automatic);
  if (!command->ends_itself) let_signals_end_us();
  return command->run(*arguments);
}

}  // namespace spiffe::cli
