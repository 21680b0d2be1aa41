#include "cli/manual.hh"

#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "cli/commands.hh"
#include "config/schema.hh"

namespace spiffe::cli {

namespace {

using config::Key;
using config::KeyType;
using config::Value;

// `text` line by line, escaped for roff.
std::string plain(std::string_view text) {
  std::string out;
  bool start = true;
  for (const char c : text) {
    if (start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    start = c == '\n';
  }
  return out;
}

std::string sentence(std::string_view text) {
  std::string out = plain(text);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out + ".\n";
}

// A value in TOML syntax, which is the same in HCL.
std::string spelt(const Value& value) {
  switch (value.kind) {
    case Value::Kind::boolean:
      return value.boolean ? "true" : "false";
    case Value::Kind::integer:
      return value.text;
    case Value::Kind::text:
      return value.text.empty() ? "" : "\"" + value.text + "\"";
    default:
      return "";
  }
}

std::string value_name(const Key& key) {
  switch (key.type) {
    case KeyType::boolean:
      return "true | false";
    case KeyType::arguments:
      return "string | list";
    case KeyType::records:
      return "list of objects";
    case KeyType::texts:
      return "list of strings";
    case KeyType::owner:
      return "name | number";
    case KeyType::choice: {
      std::string out;
      for (const auto word : key.words) out += (out.empty() ? "" : " | ") + std::string(word);
      return out;
    }
    default: {
      std::string out(key.value_name);
      for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      return out;
    }
  }
}

// Defaults that are not a fixed value: they depend on other keys or on the environment.
constexpr std::pair<std::string_view, std::string_view> kDependent[] = {
    {"agent_address", "see ENVIRONMENT"},
    {"cert_dir", "the working directory"},
    {"cmd_mode", "\"job\", or \"wrap\" for a command behind --"},
    {"on_rotate", "\"signal\" where renew_signal is set, else \"none\""},
    {"notify_on", "the first of them that is configured"},
    {"renew_signal_guard", "true in wrap mode, else false"},
    {"config_reload_signal", "\"SIGHUP\" in job mode, else none"},
    {"health_checks.bind_address", "all addresses"},
};

std::string default_of(const Key& key, const void* defaults) {
  for (const auto& [name, text] : kDependent) {
    if (name == key.name) return std::string(text);
  }
  return key.type == KeyType::records ? "" : spelt(key.show(defaults));
}

std::string keys_list(std::span<const Key> keys, const void* defaults) {
  std::string out = ".Bl -tag -width Ds\n";
  for (const Key& key : keys) {
    out += fmt::format(".It Cm {} = Ar {}\n", key.name, plain(value_name(key)));
    // A key of a record without its own help means the same as the key of this name elsewhere.
    out += key.help.empty() ? "As for the key of this name above.\n" : sentence(key.help);
    const std::string standard = default_of(key, defaults);
    if (!standard.empty()) out += "Default: " + plain(standard) + ".\n";
    if (!key.alias.empty()) out += "Old name: " + plain(key.alias) + ".\n";
  }
  return out + ".El\n";
}

template <class Record>
std::string records(std::string_view name, std::span<const Key> keys) {
  const Record defaults;
  return fmt::format(".Ss Keys of {}\n{}", name, keys_list(keys, &defaults));
}

}  // namespace

std::string manual_of_commands() {
  std::string out;
  for (const Command* command : commands()) {
    if (command->run == nullptr || command->name == "help") continue;
    out += fmt::format(".Ss spiffe-helper {}\n{}.Bd -literal\n{}.Ed\n", command->name,
                       sentence(command->summary), plain(command->help));
  }
  return out;
}

std::string manual_of_keys() {
  const config::Config defaults;
  return ".Ss Keys of the configuration\n" + keys_list(config::config_keys(), &defaults) +
         records<config::JwtSvid>("jwt_svids", config::jwt_svid_keys()) +
         records<config::X509Svid>("x509_svids", config::x509_svid_keys());
}

}  // namespace spiffe::cli
