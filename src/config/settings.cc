#include "config/settings.hh"

#include <algorithm>
#include <array>

#include "base/text.hh"
#include "config/json_reader.hh"
#include "config/schema.hh"
#include "config/suggest.hh"
#include "config/yaml_reader.hh"

namespace spiffe::config {

namespace {

constexpr std::string_view kPrefix = "SPIFFE_HLP_";
constexpr std::array<std::string_view, 6> kTrueOfGo = {"1", "t", "T", "TRUE", "true", "True"};
constexpr std::array<std::string_view, 6> kFalseOfGo = {"0", "f", "F", "FALSE", "false", "False"};

Result<Value> list_value(const Key& key, std::string_view source, const std::string& text) {
  auto value = parse_json_value(text, source);
  if (value && value->kind == Value::Kind::list) return value;
  auto yaml = parse_yaml_value(text, source);
  if (yaml && yaml->kind == Value::Kind::list) return yaml;
  const std::string example = key.type == KeyType::records ? R"([{"key": "value"}])" : R"(["one", "two"])";
  Error error{ErrorKind::config,
              place(source, {}) + ": " + std::string(key.name) + " must be a list in JSON or YAML",
              "write it as " + example};
  // If the text begins like a list, the reader's error is more useful.
  if (!value && text.starts_with('[')) error = value.error();
  if (!yaml && text.starts_with('-')) error = yaml.error();
  return fail(std::move(error));
}

Result<Value> value_of(const Key& key, std::string_view source, const std::string& text) {
  if (key.type == KeyType::texts || key.type == KeyType::records) return list_value(key, source, text);
  if (key.type == KeyType::boolean) {
    if (std::ranges::find(kTrueOfGo, text) != kTrueOfGo.end()) return Value::of_boolean(true);
    if (std::ranges::find(kFalseOfGo, text) != kFalseOfGo.end()) return Value::of_boolean(false);
  }
  // "[ -f x ]" is a valid cmd_args string as well.
  if (key.type == KeyType::arguments && text.starts_with('[')) {
    auto value = parse_json_value(text, source);
    if (value && value->kind == Value::Kind::list) return value;
  }
  return Value::of_text(text);
}

}  // namespace

Result<Document> setting(const Key& key, std::string_view source, const std::string& text) {
  auto value = value_of(key, source, text);
  if (!value) return fail(value.error());
  Document document{std::string(source), Syntax::setting, Value::of_kind(Value::Kind::object), {}};
  const std::size_t dot = key.name.find('.');
  if (dot == std::string_view::npos) {
    document.root.add(std::string(key.name), *std::move(value));
    return document;
  }
  Value section = Value::of_kind(Value::Kind::object);
  section.add(std::string(key.name.substr(dot + 1)), *std::move(value));
  document.root.add(std::string(key.name.substr(0, dot)), std::move(section));
  return document;
}

std::string_view variable(const Environment& environment, std::string_view name) {
  for (const auto& [each, value] : environment) {
    if (each == name) return value;
  }
  return {};
}

void warn_unknown_variables(const Environment& environment, std::vector<Warning>& warnings) {
  // Compared in lower case, as suggest_key() expects, and without the prefix, which would make all names
  // similar.
  std::vector<std::string> names;
  for (const Key& key : config_keys()) names.push_back(lower(variable_name(key).substr(kPrefix.size())));
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kPrefix)) continue;
    const std::string rest = name.substr(kPrefix.size());
    const bool is_known =
        name == kFormatVariable ||
        std::ranges::any_of(config_keys(), [&name](const Key& key) { return variable_name(key) == name; });
    if (is_known) continue;
    std::string message = "unknown variable " + escape(name) + " is ignored";
    if (const std::string_view near = suggest_key(rest, known); !near.empty()) {
      const auto index = std::ranges::find(known, near) - known.begin();
      message += "; did you mean " + variable_name(config_keys()[static_cast<std::size_t>(index)]) + "?";
    }
    warnings.push_back({message, escape(name)});
  }
}

}  // namespace spiffe::config
