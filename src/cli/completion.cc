#include "cli/completion.hh"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "cli/args/arguments.hh"
#include "cli/commands.hh"
#include "config/load.hh"

namespace spiffe::cli {

namespace {

struct Flag {
  std::string name;
  std::string value;  // "toml hcl", "@file", "@text", "" for booleans
  std::string help;
};

std::string joined(std::span<const std::string_view> words) {
  std::string out;
  for (const auto word : words) out += (out.empty() ? "" : " ") + std::string(word);
  return out;
}

// Completion for the value of a flag whose help shows DIR, text|json or pem,pkcs12.
std::string value_kind(std::string_view value) {
  if (value.empty()) return "";
  for (const std::string_view file : {"FILE", "PATH", "DIR", "NAME", "ADDRESS"}) {
    if (value == file) return "@file";
  }
  std::string words(value);
  if (words.find_first_of("|,") == std::string::npos) return "@text";
  for (char& c : words) c = c == '|' || c == ',' ? ' ' : c;
  return words;
}

std::vector<Flag> all_flags(const Command& command) {
  const bool run = command.run == nullptr;
  std::vector<Flag> out;
  for (const CommandFlag& flag : flags_of(command)) {
    const bool key =
        run && (flag.name == "agent-address" || flag.name == "timeout" || flag.name == "log-level");
    if (!key) out.push_back({std::string(flag.name), value_kind(flag.value), std::string(flag.help)});
  }
  if (run || command.keys != Keys::none) {
    for (const config::FlagSpec& key : config::flag_table()) {
      const bool own = std::ranges::find(out, key.name, &Flag::name) != out.end();
      if (own) continue;
      out.push_back({key.name, key.words.empty() ? value_kind(key.value_name) : joined(key.words), key.help});
    }
  }
  if (run) out.push_back({"version", "", "print the version"});
  out.push_back({"help", "", "explain the command"});
  return out;
}

std::string command_names() {
  std::vector<std::string_view> names;
  for (const Command* command : commands()) names.push_back(command->name);
  return joined(names);
}

// Three functions in the common syntax of bash and zsh; they print words on one line.
std::string tables() {
  std::string verbs;
  std::string flags;
  std::string values;
  for (const Command* command : commands()) {
    const std::string name(command->name);
    if (!command->verbs.empty()) verbs += "    " + name + ") echo '" + joined(command->verbs) + "' ;;\n";
    flags += "    " + name + ") echo '";
    for (const Flag& flag : all_flags(*command)) {
      flags += (flags.ends_with('\'') ? "-" : " -") + flag.name;
      if (!flag.value.empty()) values += "    " + name + ":" + flag.name + ") echo '" + flag.value + "' ;;\n";
    }
    flags += "' ;;\n";
  }
  // The arguments of help are commands.
  verbs += "    help) echo '" + command_names() + "' ;;\n";
  const auto function = [](const std::string& name, const std::string& of, const std::string& cases) {
    return name + "() {\n  case " + of + " in\n" + cases + "  esac\n}\n";
  };
  return function("_spiffe_helper_verbs", "$1", verbs) + function("_spiffe_helper_flags", "$1", flags) +
         function("_spiffe_helper_value", "$1:$2", values);
}

// For fish, in single quotes.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace

std::string bash_completion() {
  return "# bash completion for spiffe-helper\n" + tables() + R"(
_spiffe_helper() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=run first=1 dashes=- value words
  # "=" is a word of its own to bash.
  if [[ $word == = ]]; then
    word=
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD-2]}
  fi
  if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} != -* ]]; then
    command=${COMP_WORDS[1]}
    first=2
  fi
  COMPREPLY=()
  if [[ $before == -* ]]; then
    before=${before#-}
    value=$(_spiffe_helper_value "$command" "${before#-}")
    case $value in
      '') ;;
      @file) COMPREPLY=($(compgen -f -- "$word")); compopt -o filenames 2>/dev/null; return ;;
      @text) return ;;
      *) COMPREPLY=($(compgen -W "$value" -- "$word")); return ;;
    esac
  fi
  if [[ $word == -* ]]; then
    words=$(_spiffe_helper_flags "$command")
    if [[ $word == --* ]]; then words=-${words// -/ --}; fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  elif ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ')" +
         command_names() + R"(' -- "$word"))
  elif ((COMP_CWORD == first)) && words=$(_spiffe_helper_verbs "$command") && [[ $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
    compopt -o filenames 2>/dev/null
  fi
}
complete -F _spiffe_helper spiffe-helper
)";
}

std::string zsh_completion() {
  std::string described;
  for (const Command* command : commands()) {
    described +=
        "    " + shell_quoted(std::string(command->name) + ":" + std::string(command->summary)) + "\n";
  }
  return "#compdef spiffe-helper\n" + tables() + R"(
_spiffe_helper() {
  local before=${words[CURRENT-1]} command=run first=2 value list
  if ((CURRENT > 2)) && [[ ${words[2]} != -* ]]; then
    command=${words[2]}
    first=3
  fi
  if compset -P '-*='; then before=${IPREFIX%=}; fi
  if [[ $before == -* ]]; then
    before=${before#-}
    value=$(_spiffe_helper_value "$command" "${before#-}")
    case $value in
      '') ;;
      @file) _files; return ;;
      @text) return ;;
      *) compadd -- ${=value}; return ;;
    esac
  fi
  if [[ $PREFIX == -* ]]; then
    list=$(_spiffe_helper_flags "$command")
    if [[ $PREFIX == --* ]]; then list=-${list// -/ --}; fi
    compadd -- ${=list}
  elif ((CURRENT == 2)); then
    local -a commands
    commands=(
)" + described +
         R"(    )
    _describe command commands
  elif ((CURRENT == first)) && list=$(_spiffe_helper_verbs "$command") && [[ -n $list ]]; then
    compadd -- ${=list}
  else
    _files
  fi
}
compdef _spiffe_helper spiffe-helper
# The first time, as a file of $fpath.
if [[ ${funcstack[1]} == _spiffe-helper ]]; then _spiffe_helper "$@"; fi
)";
}

std::string fish_completion() {
  std::string out = R"(# fish completion for spiffe-helper
function __spiffe_helper_command
  set -l words (commandline -opc)
  if set -q words[2]; and not string match -q -- '-*' $words[2]
    echo $words[2]
  else
    echo run
  end
end
function __spiffe_helper_at
  test (count (commandline -opc)) -eq $argv[1]
end
complete -c spiffe-helper -f
)";
  const auto add = [&out](std::string_view condition, std::string_view what) {
    out += fmt::format("complete -c spiffe-helper -n '{}' {}\n", condition, what);
  };
  for (const Command* command : commands()) {
    const std::string name(command->name);
    const std::string here = "test (__spiffe_helper_command) = " + name;
    add("__spiffe_helper_at 1", fmt::format("-a {} -d {}", name, shell_quoted(command->summary)));
    const std::string verbs = name == "help" ? command_names() : joined(command->verbs);
    if (!verbs.empty()) add("__spiffe_helper_at 2; and " + here, "-a '" + verbs + "'");
    const std::string behind_verb = verbs.empty() ? "" : "not __spiffe_helper_at 2; and ";
    if (command->max_words > 0 && name != "help") add(behind_verb + here, "-F");
    for (const Flag& flag : all_flags(*command)) {
      std::string value;
      if (flag.value == "@file") {
        value = " -r -F";
      } else if (flag.value == "@text") {
        value = " -x";
      } else if (!flag.value.empty()) {
        value = " -x -a '" + flag.value + "'";
      }
      add(here, fmt::format("-o {0} -l {0}{1} -d {2}", flag.name, value, shell_quoted(flag.help)));
    }
  }
  return out;
}

}  // namespace spiffe::cli
