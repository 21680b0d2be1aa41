#include "cli/app.hh"

#include <cstdio>

#include "cli/command_line.hh"
#include "cli/commands.hh"
#include "cli/run.hh"
#include "cli/stdout.hh"
#include "cli/version.hh"
#include "cli/voice.hh"

namespace spiffe::cli {

int main(const std::vector<std::string>& args, const FoundSignals& found_signals) {
  if (is_subcommand(args)) return run_subcommand(args);
  const auto line = parse_command_line(args);
  if (!line) {
    say(line.error());
    std::fputs("\n", stderr);
    std::fputs(usage_text().c_str(), stderr);
    return kUsage;
  }
  switch (line->action) {
    case CommandLine::Action::help:
      return print(usage_text());
    case CommandLine::Action::version:
      return print(std::string(kVersion) + "\n");
    case CommandLine::Action::run:
      break;
  }
  return run(*line, found_signals);
}

}  // namespace spiffe::cli
