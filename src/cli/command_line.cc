#include "cli/command_line.hh"

#include <algorithm>
#include <utility>

#include "base/text.hh"
#include "cli/args/go_flags.hh"
#include "cli/commands.hh"
#include "cli/text/terminal.hh"

namespace spiffe::cli {

namespace {

Error unexpected_word(const std::string& word) {
  if (find_command(word) != nullptr) {
    return {ErrorKind::usage, "unexpected argument " + quote(word),
            "a command comes before its flags: spiffe-helper " + word + " …"};
  }
  return {ErrorKind::usage, "unexpected argument " + quote(word),
          "flags begin with a dash; the program to start is cmd in the configuration"};
}

std::vector<GoFlag> known_flags(const std::vector<config::FlagSpec>& keys) {
  std::vector<GoFlag> flags = {
      {"config", false}, {"config-format", false}, {"version", true}, {"help", true}, {"h", true}};
  for (const auto& key : keys) flags.push_back({key.name, key.boolean});
  return flags;
}

// "  -cert-dir PATH    directory to write to", aligned with all others. A long name gets its own line.
std::string key_lines(const config::FlagSpec& spec) {
  constexpr std::size_t kName = 31;
  std::string name = "-" + spec.name + (spec.boolean ? "=BOOL" : " " + spec.value_name);
  std::string out;
  if (name.size() > kName) out = std::string(kRowIndent, ' ') + std::exchange(name, {}) + "\n";
  name.resize(kName, ' ');
  TextTable line(kMaxWidth, kRowIndent);
  line.row(name, spec.help);
  return out + line.text();
}

}  // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string>& args) {
  const auto keys = config::flag_table();
  auto given = parse_flags(args, known_flags(keys));
  if (!given) {
    Error error = given.error();
    if (!error.hint.empty()) error.hint += ' ';
    error.hint += "spiffe-helper -h lists the flags";
    return fail(std::move(error));
  }
  CommandLine out;
  for (const auto& [name, value] : given->values) {
    if (name == "config") {
      out.config_path = value;
      out.config_given = true;
    } else if (name == "config-format") {
      out.config_format = value;
    } else if (name == "version") {
      const bool asked = parse_go_bool(value).value_or(false);
      out.action = asked ? CommandLine::Action::version : CommandLine::Action::run;
    } else {
      const auto key = std::ranges::find(keys, name, &config::FlagSpec::name);
      out.flags.push_back({key->key, value, "-" + name});
    }
  }
  if (given->help) out.action = CommandLine::Action::help;
  if (out.action != CommandLine::Action::run) return out;
  const auto stray = std::ranges::find_if(given->words, [](const auto& word) { return word != "run"; });
  if (stray != given->words.end()) return fail(unexpected_word(*stray));
  if (given->behind) {
    if (given->behind->empty()) return fail(ErrorKind::usage, "no command follows --");
    out.child_command = *std::move(given->behind);
  }
  return out;
}

std::string usage_text() {
  std::string text = R"(Usage: spiffe-helper [run] [flags] [-- COMMAND ARGUMENT...]

Fetches the workload's X.509-SVID from the SPIFFE Workload API, keeps it in
files, and starts and signals the program that uses them. A COMMAND behind -- is
wrapped: the helper passes signals on to it and exits with its exit code.

Flags (one dash or two):
  -config FILE            configuration file (default helper.conf); *.toml is
                          TOML, *.yaml YAML, else HCL or JSON; "": no file
  -config-format FORMAT   hcl, toml, json or yaml, whatever the name of the file
  -daemon-mode=BOOL       keep running and renewing (default true)
  -agent-address ADDRESS  unix:///path or tcp://IP:port of the agent
  -log-level LEVEL        debug, info, warning or error
  -version                print the version
  -h, -help               print this

Commands other than run: spiffe-helper help

Every configuration key is a flag as well, and a variable (SPIFFE_HLP_ and the
key in capitals):
)";
  for (const auto& spec : config::flag_table()) text += key_lines(spec);
  text += R"(
Examples:
  spiffe-helper -config /etc/spiffe-helper/helper.conf
  spiffe-helper -cert-dir /certs -svid-file-name svid.pem \
                -svid-key-file-name svid_key.pem \
                -svid-bundle-file-name svid_bundle.pem \
                -renew-signal HUP -- nginx -g 'daemon off;'
)";
  return text;
}

}  // namespace spiffe::cli
