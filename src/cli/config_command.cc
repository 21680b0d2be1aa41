#include "cli/config_command.hh"

#include <array>
#include <cstdio>
#include <string>

#include "base/text.hh"
#include "cli/args/arguments.hh"
#include "cli/text/exit.hh"
#include "cli/text/json_text.hh"
#include "cli/text/stdout.hh"
#include "cli/text/voice.hh"
#include "config/convert.hh"
#include "config/integer.hh"
#include "config/schema.hh"
#include "config/toml_writer.hh"
#include "config/validate.hh"

namespace spiffe::cli {

namespace {

constexpr std::string_view kConfigHelp =
    R"(Usage: spiffe-helper config check|print|convert [FILE] [flags] [-- COMMAND...]

check    whether run would accept the configuration, and what is wrong with it:
         exit status 0 or 1. Needs no agent and reads no directory.
print    the effective configuration, from flags, variables, file and defaults,
         as TOML that can be read back, or as one JSON object with every key.
convert  the file as TOML, as HCL if it is TOML, or as -to says, with the same
         meaning. Values do not change; modes become strings (in YAML 0o644),
         old names of keys the present ones. Of a key that is given twice the
         last one remains. Unknown keys are left out. A comment is put above the
         key on its line or with its list, else above the next key; after the
         last key it ends the file.

Flags:
  -config FILE          the same as FILE (default helper.conf, if there)
  -config-format auto|hcl|toml|json|yaml
                        format of FILE, whatever its name
  -to hcl|toml|yaml     what to convert to
  -lifecycle-blocks     convert with the blocks start and reload in place of
                        cmd, cmd_args, renew_signal and pid_file_name
  -output text|json     how to print (default text); not for convert

Every configuration key is a flag of check and print as well, and a variable:
see spiffe-helper help run. So is a COMMAND behind --, as run wraps it.

Examples:
  spiffe-helper config check /etc/spiffe-helper/helper.conf
  spiffe-helper config convert helper.conf >helper.toml
)";

constexpr std::array<std::string_view, 3> kConfigVerbs = {"check", "print", "convert"};
constexpr std::array<CommandFlag, 2> kConfigFlags = {
    {{"to", "hcl|toml|yaml", "what to convert to"}, {"lifecycle-blocks", "", "with start and reload"}}};

void print_warnings(const std::vector<config::Warning>& warnings) {
  for (const auto& warning : warnings) {
    const std::string place = warning.at.empty() ? "" : warning.at + ": ";
    std::fputs(("warning: " + place + warning.message + "\n").c_str(), stderr);
  }
}

Json json_of(const config::Value& value) {
  switch (value.kind) {
    case config::Value::Kind::text:
      return value.text;
    case config::Value::Kind::integer:
      return config::parse_integer(value.text).value_or(0);
    case config::Value::Kind::boolean:
      return value.boolean;
    case config::Value::Kind::list: {
      Json out = Json::array();
      for (const auto& item : value.items) out.push_back(json_of(item));
      return out;
    }
    case config::Value::Kind::object: {
      Json out = Json::object();
      for (const auto& entry : value.entries) out[entry.key] = json_of(entry.value);
      return out;
    }
    default:
      return nullptr;
  }
}

int check(const Arguments& arguments, const config::LoadOptions& options) {
  const auto loaded = config::load(options);
  if (loaded) print_warnings(loaded->warnings);
  const int code = loaded ? kOk : report(loaded.error());
  if (!arguments.json) {
    if (!loaded) return code;
    const std::string& file = loaded->file_used;
    return print((file.empty() ? "configuration" : escape(file)) + ": valid\n");
  }
  Json out = {{"file", options.path}, {"valid", loaded.has_value()}, {"warnings", Json::array()}};
  if (loaded) {
    for (const auto& warning : loaded->warnings)
      out["warnings"].push_back({{"at", warning.at}, {"message", warning.message}});
  } else {
    const Error& first = loaded.error();
    out["error"] = {{"message", first.message}, {"hint", first.hint}};
    out["errors"] = Json::array({out["error"]});
    for (const Error& each : first.also)
      out["errors"].push_back({{"message", each.message}, {"hint", each.hint}});
  }
  const int written = print(json_text(out));
  return code == kOk ? written : code;
}

// The keys at the top level already contain the values of start and reload.
void drop_empty_blocks(config::Value& effective) {
  std::erase_if(effective.entries, [](config::Entry& section) {
    if (section.key != "start" && section.key != "reload") return false;
    std::erase_if(section.value.entries, [](const config::Entry& entry) {
      return entry.value.text.empty() && entry.value.items.empty();
    });
    return section.value.entries.empty();
  });
}

int print_effective(const Arguments& arguments, config::LoadOptions options) {
  options.allow_no_output = true;
  const auto loaded = config::load(options);
  if (!loaded) return report(loaded.error());
  print_warnings(loaded->warnings);
  config::Value effective = config::effective(config::with_implied_defaults(loaded->config));
  if (arguments.json) return print(json_text(json_of(effective)));
  // In daemon mode, timeout has no effect, and a file that sets it causes a warning.
  if (loaded->config.daemon_mode && loaded->config.timeout == config::Config().timeout)
    std::erase_if(effective.entries, [](const config::Entry& entry) { return entry.key == "timeout"; });
  drop_empty_blocks(effective);
  const auto text = config::to_toml(effective);
  return text ? print(*text) : report(text.error());
}

int convert(const Arguments& arguments, const config::LoadOptions& options) {
  if (arguments.json)
    return report({ErrorKind::usage, "config convert prints a file, not JSON", "leave out -output"});
  if (!options.flags.empty()) {
    return report({ErrorKind::usage, "config convert takes the file alone, not " + options.flags[0].source,
                   "config print prints what flags, variables and file come to"});
  }
  if (!options.command.empty()) {
    return report({ErrorKind::usage, "config convert takes the file alone, not a command behind --",
                   "config print prints what command line, variables and file come to"});
  }
  const auto text = config::read_file(options);
  if (!text) return report(text.error());
  const auto format = config::format_of(options);
  if (!format) return report(format.error());
  const std::string_view to = arguments.value("to");
  const auto converted = config::convert(*text, options.path, *format,
                                         to.empty() ? config::Format::by_name : *config::parse_format(to),
                                         arguments.set("lifecycle-blocks"));
  if (!converted) return report(converted.error());
  print_warnings(converted->warnings);
  return print(converted->text);
}

int config_command(const Arguments& arguments) {
  config::LoadOptions options = arguments.configuration;
  if (!arguments.words.empty()) {
    if (options.path_given) return report({ErrorKind::usage, "the file is named twice", "leave out -config"});
    options.path = arguments.words[0];
    options.path_given = true;
  }
  if (arguments.verb == "convert") return convert(arguments, options);
  for (const CommandFlag& flag : kConfigFlags) {
    if (arguments.value(flag.name).empty()) continue;
    return report({ErrorKind::usage, "-" + std::string(flag.name) + " is for config convert",
                   "spiffe-helper config -h says more"});
  }
  return arguments.verb == "check" ? check(arguments, options) : print_effective(arguments, options);
}

}  // namespace

constinit const Command kConfigCommand = {.name = "config",
                                          .summary = "check, print or convert a configuration",
                                          .help = kConfigHelp,
                                          .run = &config_command,
                                          .verbs = kConfigVerbs,
                                          .flags = kConfigFlags,
                                          .max_words = 1,
                                          .prints_data = true,
                                          .keys = Keys::all};

}  // namespace spiffe::cli
