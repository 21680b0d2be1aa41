// One configuration in four formats: the text in each format reads back as the same configuration.
#include "output/formats.hh"

#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "config/binder.hh"
#include "config/document_reader.hh"
#include "config/hcl_writer.hh"
#include "config/schema.hh"
#include "config/toml_writer.hh"
#include "config/yaml_writer.hh"
#include "support/catch.hh"

namespace spiffe::config {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Value& value) {
  switch (value.kind) {
    case Value::Kind::text:
      return value.text;
    case Value::Kind::integer:
      return std::stoll(value.text);
    case Value::Kind::boolean:
      return value.boolean;
    case Value::Kind::list: {
      Json out = Json::array();
      for (const Value& item : value.items) out.push_back(json_of(item));
      return out;
    }
    case Value::Kind::object: {
      Json out = Json::object();
      for (const Entry& entry : value.entries) out[entry.key] = json_of(entry.value);
      return out;
    }
    default:
      return nullptr;
  }
}

Config bound(const std::string& text, Format format) {
  CAPTURE(text);
  const auto document = read_document(text, "f", format);
  REQUIRE(document);
  Config config;
  Origins origins;
  std::vector<Warning> warnings;
  std::vector<Error> refused;
  Binder(config, origins, warnings, refused).bind(*document);
  const std::string error = refused.empty() ? "" : refused[0].message;
  REQUIRE(error.empty());
  return config;
}

// A tree that every format can represent, and the configuration that it binds to.
void check_all_formats(const Value& tree, bool json_as_yaml) {
  const Value expected = effective(bound(json_of(tree).dump(), Format::json));
  CHECK(effective(bound(to_hcl(tree), Format::hcl)).same_as(expected));
  CHECK(effective(bound(to_toml(tree).value(), Format::toml)).same_as(expected));
  CHECK(effective(bound(to_yaml(tree).value(), Format::yaml)).same_as(expected));
  if (json_as_yaml) CHECK(effective(bound(json_of(tree).dump(), Format::yaml)).same_as(expected));
}

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  // An object with about a third of the keys of a table.
  Value object(std::span<const Key> keys) {
    Value out = Value::of_kind(Value::Kind::object);
    for (const Key& key : keys) {
      if (below(3) != 0) continue;
      const std::size_t dot = key.name.find('.');
      if (dot == std::string_view::npos) {
        out.add(std::string(key.name), value(key));
        continue;
      }
      const std::string section(key.name.substr(0, dot));
      if (out.entries.empty() || out.entries.back().key != section)
        out.add(section, Value::of_kind(Value::Kind::object));
      out.entries.back().value.add(std::string(key.name.substr(dot + 1)), value(key));
    }
    return out;
  }

 private:
  std::size_t below(std::size_t end) { return random_() % end; }
  std::string text() {
    constexpr std::string_view kWords[] = {
        "a",  "svid.pem",   "yes", "on",   "null", "1.5", "0644", "-g",     "a: b", "a #b", "\"q\"", "it's",
        "\\", "two\nlines", "\t",  "${x}", "é 世", "[x]", "{y",   "%TAG x", "~",    " a ",  "*a",    ""};
    return std::string(kWords[below(std::size(kWords))]);
  }
  Value texts() {
    Value out = Value::of_kind(Value::Kind::list);
    for (std::size_t i = below(4); i > 0; --i) out.items.push_back(Value::of_text(text()));
    return out;
  }
  Value value(const Key& key) {
    switch (key.type) {
      case KeyType::boolean:
        return Value::of_boolean(below(2) == 0);
      case KeyType::number:
        return Value::of_integer(std::to_string(below(65536)));
      case KeyType::mode:
        return below(2) == 0 ? Value::of_text("0640") : Value::of_integer("256");
      case KeyType::signal:
        return Value::of_text("SIGHUP");
      case KeyType::duration:
        return Value::of_text("1m30s");
      case KeyType::owner:
        return below(2) == 0 ? Value::of_text("7") : Value::of_integer("5");  // looking up names is slow
      case KeyType::choice:
        return Value::of_text(std::string(key.words[below(key.words.size())]));
      case KeyType::arguments:
        return texts();
      case KeyType::texts: {
        if (key.name == "jwt_extra_audiences") return texts();
        Value out = Value::of_kind(Value::Kind::list);
        for (const auto* word : {"x509", "jwt", "bundle"}) {
          if (below(2) == 0) out.items.push_back(Value::of_text(word));
        }
        return out;
      }
      case KeyType::records: {
        Value out = Value::of_kind(Value::Kind::list);
        for (std::size_t i = below(3); i > 0; --i) out.items.push_back(object(key.item_keys()));
        return out;
      }
      case KeyType::text:
        break;
    }
    if (key.name == "agent_address") return Value::of_text("unix:///run/agent.sock");
    if (key.name == "log_level") return Value::of_text("warn");
    if (key.name == "spiffe_id") return Value::of_text("spiffe://example.org/a");
    return Value::of_text(text());
  }

  std::minstd_rand random_;
};

}  // namespace

TEST_CASE("a thousand configurations mean the same in HCL, JSON, TOML and YAML") {
  for (unsigned seed = 1; seed <= 1000; ++seed) {
    INFO(seed);
    check_all_formats(Generator(seed).object(config_keys()), seed % 8 == 0);
  }
}

}  // namespace spiffe::config
