#include "cli/commands.hh"

#include <algorithm>
#include <sstream>

#include "cli/args/arguments.hh"
#include "cli/text/terminal.hh"
#include "support/catch.hh"

using namespace spiffe::cli;
using Words = std::vector<std::string>;

TEST_CASE("every command but run has a function, all have help in 80 columns with two examples") {
  for (const Command* command : commands()) {
    CAPTURE(command->name);
    CHECK_FALSE(command->summary.empty());
    CHECK((command->run != nullptr) == (command->name != "run"));
    const std::string help = help_of(*command);
    CHECK(help.starts_with("Usage: spiffe-helper "));
    const std::size_t examples = help.find("\nExamples:\n");
    REQUIRE(examples != std::string::npos);
    std::istringstream lines(help.substr(examples + 11));
    int count = 0;
    for (std::string line; std::getline(lines, line);) count += line.starts_with("  spiffe-helper") ? 1 : 0;
    CHECK(count == 2);
    std::istringstream all(help);
    for (std::string line; std::getline(all, line);) CHECK(length(line) <= 80);
  }
}

TEST_CASE("help names every flag of the command itself, and each verb") {
  for (const Command* command : commands()) {
    CAPTURE(command->name);
    for (const CommandFlag& flag : command->flags) {
      CHECK(help_of(*command).find("\n  -" + std::string(flag.name)) != std::string::npos);
    }
    for (const auto verb : command->verbs) CHECK(help_of(*command).find(verb) != std::string::npos);
    if (command->prints_data) CHECK(help_of(*command).find("\n  -output text|json") != std::string::npos);
  }
}

TEST_CASE("the overview names every command once") {
  const std::string text = overview();
  for (const Command* command : commands()) {
    CHECK(text.find("\n  " + std::string(command->name) + "  ") != std::string::npos);
  }
}

TEST_CASE("a command line that begins with a flag is for run") {
  for (const auto& words : {Words{}, {"run"}, {"-config", "x"}, {"--", "cmd"}, {"-"}})
    CHECK_FALSE(is_subcommand(words));
  for (const Words& words : {Words{"help"}, {"wach"}, {""}}) CHECK(is_subcommand(words));
}

TEST_CASE("an unknown command is an error with the nearest command") {
  CHECK(unknown_command("versoin").message == "unknown command \"versoin\"");
  CHECK(unknown_command("versoin").hint == "did you mean version?");
  CHECK(unknown_command("xyzzy").hint == "spiffe-helper help lists the commands");
}
