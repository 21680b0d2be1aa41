#include "cli/app.hh"

#include <chrono>
#include <cstdio>

#include <unistd.h>

#include "base/last_words.hh"
#include "base/thread.hh"
#include "cli/command_line.hh"
#include "cli/commands.hh"
#include "cli/run.hh"
#include "cli/text/stdout.hh"
#include "cli/text/voice.hh"
#include "cli/version.hh"
#include "workload/channel.hh"

namespace spiffe::cli {

namespace {

constexpr std::chrono::milliseconds kPatience{500};

int run_command(const std::vector<std::string>& args, const FoundSignals& found_signals) {
  if (is_subcommand(args)) return run_subcommand(args);
  const auto line = parse_command_line(args);
  if (!line) {
    // The error is printed last, where it is seen; a list of flags would push it off the screen.
    const std::string usage = usage_text();
    std::fputs(usage.substr(0, usage.find('\n') + 1).c_str(), stderr);
    say(line.error());
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

}  // namespace

int main(const std::vector<std::string>& args, const FoundSignals& found_signals) {
  const int code = run_command(args, found_signals);
  // All output is written. Threads of gRPC end, or are abandoned.
  std::fflush(stdout);
  leave_within(kPatience, code);
  if (Thread::left_behind() > 0) ::_exit(code);
  workload::end_grpc();
  return code;
}

}  // namespace spiffe::cli
