#include "cli/completion_command.hh"

#include <array>

#include "cli/args/arguments.hh"
#include "cli/completion.hh"
#include "cli/text/stdout.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kCompletionHelp = R"(Usage: spiffe-helper completion bash|zsh|fish

Prints a completion script for the shell: the commands of spiffe-helper, their
flags and the values of flags. To install it for every new shell:

  bash  spiffe-helper completion bash >/etc/bash_completion.d/spiffe-helper
  zsh   spiffe-helper completion zsh >"${fpath[1]}/_spiffe-helper"
  fish  cd ~/.config/fish/completions
        spiffe-helper completion fish >spiffe-helper.fish

Examples:
  spiffe-helper completion bash >/etc/bash_completion.d/spiffe-helper
  spiffe-helper completion fish | source
)";

constexpr std::array<std::string_view, 3> kCompletionVerbs = {"bash", "zsh", "fish"};

int completion(const Arguments& arguments) {
  if (arguments.verb == "bash") return print(bash_completion());
  return print(arguments.verb == "zsh" ? zsh_completion() : fish_completion());
}

}  // namespace

constinit const Command kCompletionCommand = {.name = "completion",
                                              .summary = "print a completion script for a shell",
                                              .help = kCompletionHelp,
                                              .run = &completion,
                                              .verbs = kCompletionVerbs};

}  // namespace spiffe::cli
