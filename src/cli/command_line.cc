#include "cli/command_line.hh"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/text.hh"
#include "cli/commands.hh"
#include "cli/go_flags.hh"

namespace spiffe::cli {

namespace {

// "--cert-dirr=x" -> an error in the words of Go's flag package, with the nearest flag there is.
Error unknown_argument(const std::string& argument, const std::vector<GoFlag>& known) {
  if (!argument.starts_with("-")) {
    if (find_command(argument) != nullptr) {
      return {ErrorKind::usage, "unexpected argument " + quote(argument),
              "a command comes before its flags: spiffe-helper " + argument + " …"};
    }
    return {ErrorKind::usage, "unexpected argument " + quote(argument),
            "flags begin with a dash; the program to start is cmd in the configuration"};
  }
  const std::string name = argument.substr(2, argument.find('=') - 2);
  std::vector<std::string_view> names(known.size());
  std::ranges::transform(known, names.begin(), &GoFlag::name);
  const std::string_view near = nearest(name, names);
  return {ErrorKind::usage, "flag provided but not defined: -" + escape(name),
          near.empty() ? "spiffe-helper -h lists the flags" : "did you mean -" + std::string(near) + "?"};
}

std::vector<GoFlag> known_flags(const std::vector<config::FlagSpec>& keys) {
  std::vector<GoFlag> flags = {
      {"config", false}, {"config-format", false}, {"version", true}, {"help", true}, {"h", true}};
  for (const auto& key : keys) flags.push_back({key.name, key.boolean});
  return flags;
}

// Registers one flag whose occurrences are collected, the last one to win later.
void add_key(CLI::App& app, const config::FlagSpec& spec, std::vector<config::FlagValue>& out) {
  app.add_option_function<std::vector<std::string>>("--" + spec.name,
                                                    [&out, &spec](const std::vector<std::string>& values) {
                                                      for (const auto& value : values)
                                                        out.push_back({spec.key, value, "-" + spec.name});
                                                    })
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1)
      ->allow_extra_args(false);
}

bool flag_is_true(const std::vector<std::string>& values) {
  return !values.empty() && parse_go_bool(values.back()).value_or(false);
}

}  // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string>& args) {
  const auto keys = config::flag_table();
  const auto known = known_flags(keys);
  std::vector<std::string> words = normalise_flags(args, known);

  CommandLine out;
  if (const auto dashes = std::ranges::find(words, "--"); dashes != words.end()) {
    out.child_command.assign(dashes + 1, words.end());
    if (out.child_command.empty()) return fail(ErrorKind::usage, "no command follows --");
    words.erase(dashes, words.end());
  }

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  app.fallthrough();
  app.add_subcommand("run")->fallthrough()->allow_extras()->set_help_flag();
  std::vector<std::string> help;
  std::vector<std::string> version;
  std::vector<std::string> path;
  const auto last = CLI::MultiOptionPolicy::TakeAll;
  app.add_option("--help,-h,--h", help)->multi_option_policy(last);
  app.add_option("--version", version)->multi_option_policy(last);
  app.add_option("--config", path)->multi_option_policy(last);
  app.add_option("--config-format", out.config_format)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  for (const auto& key : keys) add_key(app, key, out.flags);
  try {
    std::ranges::reverse(words);  // as CLI11 wants them
    app.parse(words);
  } catch (const CLI::ParseError& e) {
    return fail(ErrorKind::usage, lower(e.what()), "spiffe-helper -h lists the flags");
  }
  if (const auto extras = app.remaining(true); !extras.empty())
    return fail(unknown_argument(extras.front(), known));
  if (flag_is_true(version)) out.action = CommandLine::Action::version;
  if (flag_is_true(help)) out.action = CommandLine::Action::help;
  if (!path.empty()) {
    out.config_path = path.back();
    out.config_given = true;
  }
  return out;
}

std::string usage_text() {
  std::string text = R"(Usage: spiffe-helper [run] [flags] [-- COMMAND ARGUMENT...]

Fetches the workload's X.509-SVID from the SPIFFE Workload API, keeps it in files, and starts and signals the
program that uses them. A COMMAND behind -- is wrapped: it gets our signals, and its exit code is ours.

Flags (one dash or two):
  -config FILE            configuration file (default helper.conf); *.toml is TOML, else HCL or JSON
  -config-format FORMAT   hcl, toml or json, whatever the file is called
  -daemon-mode=BOOL       keep running and renewing (default true)
  -agent-address ADDRESS  unix:///path or tcp://IP:port of the agent
  -log-level LEVEL        debug, info, warning or error
  -version                print the version
  -h, -help               print this

Commands other than run: spiffe-helper help

Every configuration key is a flag as well, and a variable (SPIFFE_HLP_ and the key in capitals):
)";
  for (const auto& spec : config::flag_table()) {
    if (!spec.supported) continue;
    std::string left = "  -" + spec.name + (spec.boolean ? "=BOOL" : " " + spec.value_name);
    left.resize(std::max<std::size_t>(left.size() + 1, 34), ' ');
    text += left + spec.help + "\n";
  }
  text += R"(
Examples:
  spiffe-helper -config /etc/spiffe-helper/helper.conf
  spiffe-helper -cert-dir /certs -svid-file-name svid.pem -svid-key-file-name svid_key.pem \
                -svid-bundle-file-name svid_bundle.pem -renew-signal HUP -- nginx -g 'daemon off;'
)";
  return text;
}

}  // namespace spiffe::cli
