#include "cli/version_command.hh"

#include <string>

#include "cli/arguments.hh"
#include "cli/json_text.hh"
#include "cli/stdout.hh"
#include "cli/version.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kHelp = R"(Usage: spiffe-helper version [flags]

Prints the version of this program and what it was built from.

Flags:
  -output text|json   how to print (default text)

Examples:
  spiffe-helper version
  spiffe-helper version -output json
)";

int version(const Arguments& arguments) {
  if (arguments.json) return print(json_text({{"version", kVersion}}));
  return print(std::string(kVersion) + "\n");
}

}  // namespace

constinit const Command kVersionCommand = {.name = "version",
                                           .summary = "print the version and what it was built from",
                                           .help = kHelp,
                                           .run = &version,
                                           .prints_data = true};

}  // namespace spiffe::cli
