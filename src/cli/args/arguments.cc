#include "cli/args/arguments.hh"

#include <algorithm>
#include <iterator>

#include <unistd.h>

#include "base/text.hh"
#include "cli/args/go_flags.hh"
#include "config/duration.hh"

namespace spiffe::cli {

namespace {

constexpr CommandFlag kConfig = {"config", "FILE", "configuration file (default helper.conf, if there)"};
constexpr CommandFlag kConfigFormat = {"config-format", "auto|hcl|toml|json|yaml",
                                       "whatever the name of the file"};
constexpr CommandFlag kAgentAddress = {"agent-address", "ADDRESS",
                                       "unix:///path or tcp://IP:port of the agent"};
constexpr CommandFlag kTimeout = {"timeout", "DURATION", "longest wait, 0 for no limit"};
constexpr CommandFlag kLogLevel = {"log-level", "debug|info|warning|error", "what to log (default warning)"};
constexpr CommandFlag kOutputPem = {"output", "text|json|pem", "how to print (default text)"};
constexpr CommandFlag kOutput = {"output", "text|json", "how to print (default text)"};

std::string help_hint(const Command& command) {
  return "spiffe-helper " + std::string(command.name) + " -h says more";
}

// "text|json" -> {"text", "json"}; nothing for "DIR".
std::vector<std::string_view> words_of(std::string_view value) {
  std::vector<std::string_view> out;
  if (value.find('|') == std::string_view::npos) return out;
  for (;;) {
    const std::size_t bar = value.find('|');
    out.push_back(value.substr(0, bar));
    if (bar == std::string_view::npos) return out;
    value.remove_prefix(bar + 1);
  }
}

class Parser {
 public:
  explicit Parser(const Command& command) : command_(command), flags_(flags_of(command)) {
    if (command.keys == Keys::none) return;
    keys_ = config::flag_table();
    std::erase_if(keys_, [this](const config::FlagSpec& key) {
      return std::ranges::find(flags_, key.name, &CommandFlag::name) != flags_.end();
    });
  }

  Result<Arguments> run(std::span<const std::string> args) {
    auto given = parse_flags(args, known());
    if (!given) return fail(given.error());
    out_.help = given->help;
    if (out_.help) return std::move(out_);
    for (const auto& [name, value] : given->values) {
      if (auto done = take(name, value); !done) return fail(done.error());
    }
    out_.words = std::move(given->words);
    if (given->behind) {
      if (auto done = take_behind(*std::move(given->behind)); !done) return fail(done.error());
    }
    if (auto done = take_words(); !done) return fail(done.error());
    out_.configuration.environment = config::environment_from(environ);
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::vector<GoFlag> known() const {
    std::vector<GoFlag> out = {{"help", true}, {"h", true}};
    for (const auto& flag : flags_) out.push_back({std::string(flag.name), flag.value.empty()});
    for (const auto& key : keys_) out.push_back({key.name, key.boolean});
    return out;
  }

  Result<void> take(const std::string& name, const std::string& value) {
    const auto flag = std::ranges::find(flags_, name, &CommandFlag::name);
    if (flag != flags_.end()) {
      if (auto good = check(*flag, value); !good) return good;
    }
    config::LoadOptions& configuration = out_.configuration;
    if (name == kConfig.name) {
      configuration.path = value;
      configuration.path_given = true;
    } else if (name == kConfigFormat.name) {
      configuration.format = config::parse_format(value).value_or(config::Format::by_name);
    } else if (name == kOutput.name) {
      out_.json = value == "json";
      out_.pem = value == "pem";
    } else if (const auto key = std::ranges::find(keys_, name, &config::FlagSpec::name); key != keys_.end()) {
      configuration.flags.push_back({key->key, value, "-" + name});
    } else if (name == kLogLevel.name) {
      out_.log_level = log::parse_level(value).value_or(log::Level::warning);
    } else if (name == kAgentAddress.name) {
      configuration.flags.push_back({"agent_address", value, "-" + name});
    } else if (name == kTimeout.name) {
      return take_timeout(value);
    } else {
      out_.own.emplace_back(name, value);
    }
    return {};
  }

  Result<void> take_behind(std::vector<std::string> behind) {
    if (command_.keys == Keys::none) {
      std::ranges::move(behind, std::back_inserter(out_.words));
      return {};
    }
    if (behind.empty()) return fail(ErrorKind::usage, "no command follows --");
    out_.configuration.command = std::move(behind);
    return {};
  }

  // Checks flags that have a list of values. Keys are checked with the configuration.
  [[nodiscard]] static Result<void> check(const CommandFlag& flag, const std::string& value) {
    if (flag.name == kLogLevel.name && log::parse_level(value)) return {};  // more than the help lists
    const auto words = words_of(flag.value);
    if (words.empty() || std::ranges::find(words, value) != words.end()) return {};
    return fail(ErrorKind::usage,
                "-" + std::string(flag.name) + " must be " + one_of(words) + ", not " + quote(value));
  }

  Result<void> take_timeout(const std::string& value) {
    const auto duration = config::parse_duration(value);
    if (!duration) {
      return fail(ErrorKind::usage, "-timeout " + quote(value) + " " + duration.error().message,
                  duration.error().hint.empty() ? "write it as 5s or 1m30s" : duration.error().hint);
    }
    if (duration->count() < 0) return fail(ErrorKind::usage, "-timeout must not be negative");
    out_.timeout = *duration;
    return {};
  }

  Result<void> take_words() {
    if (!command_.verbs.empty()) {
      const std::string needs = std::string(command_.name) + " needs " + one_of(command_.verbs);
      if (out_.words.empty()) return fail(ErrorKind::usage, needs);
      out_.verb = out_.words.front();
      out_.words.erase(out_.words.begin());
      if (std::ranges::find(command_.verbs, out_.verb) == command_.verbs.end()) {
        const std::string_view near = nearest(out_.verb, command_.verbs);
        return fail(ErrorKind::usage, needs + ", not " + quote(out_.verb),
                    near.empty() ? "" : "did you mean " + std::string(near) + "?");
      }
    }
    if (out_.words.size() <= command_.max_words) return {};
    return fail(ErrorKind::usage, "unexpected argument " + quote(out_.words[command_.max_words]));
  }

  const Command& command_;
  std::vector<CommandFlag> flags_;
  std::vector<config::FlagSpec> keys_;
  Arguments out_;
};

}  // namespace

std::string_view Arguments::value(std::string_view flag) const {
  std::string_view out;
  for (const auto& [name, value] : own) {
    if (name == flag) out = value;
  }
  return out;
}

bool Arguments::set(std::string_view flag) const {
  return parse_go_bool(value(flag)).value_or(false);
}

Result<Arguments> parse_arguments(const Command& command, std::span<const std::string> args) {
  auto arguments = Parser(command).run(args);
  if (!arguments && arguments.error().hint.empty()) arguments.error().hint = help_hint(command);
  return arguments;
}

std::vector<CommandFlag> flags_of(const Command& command) {
  std::vector<CommandFlag> out(command.flags.begin(), command.flags.end());
  out.insert(out.end(), {kConfig, kConfigFormat});
  if (command.prints_data) out.push_back(command.prints_pem ? kOutputPem : kOutput);
  if (command.keys != Keys::all) out.insert(out.end(), {kAgentAddress, kTimeout, kLogLevel});
  return out;
}

Result<config::Loaded> load_partial(const Arguments& arguments) {
  config::LoadOptions options = arguments.configuration;
  options.allow_no_output = true;
  return config::load(options);
}

}  // namespace spiffe::cli
