#include "cli/app.hh"

#include <cstdio>

#include "cli/command_line.hh"
#include "cli/run.hh"
#include "cli/version.hh"
#include "cli/voice.hh"

namespace spiffe::cli {

int main(const std::vector<std::string>& args, const sigset_t& original_mask) {
  const auto line = parse_command_line(args);
  if (!line) {
    say(line.error());
    std::fputs("\n", stderr);
    std::fputs(usage_text().c_str(), stderr);
    return kUsage;
  }
  switch (line->action) {
    case CommandLine::Action::help:
      std::fputs(usage_text().c_str(), stdout);
      return kOk;
    case CommandLine::Action::version:
      std::puts(kVersion);
      return kOk;
    case CommandLine::Action::run:
      break;
  }
  return run(*line, original_mask);
}

}  // namespace spiffe::cli
