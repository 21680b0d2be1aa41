// The writers: their output, and that it reads back as the same document.
#include "config/hcl_parser.hh"
#include "config/hcl_writer.hh"
#include "config/toml_reader.hh"
#include "config/toml_writer.hh"
#include "config/yaml_reader.hh"
#include "config/yaml_writer.hh"
#include "support/catch.hh"

namespace spiffe::config {

namespace {

Value object() {
  return Value::of_kind(Value::Kind::object);
}
Value list(std::vector<Value> items) {
  Value out = Value::of_kind(Value::Kind::list);
  out.items = std::move(items);
  return out;
}

// Every kind of value, in every place that a configuration allows.
Value sample() {
  Value item = object();
  item.add("name", Value::of_text("one"));
  item.add("extra", list({Value::of_text("a"), Value::of_text("b")}));
  Value section = object();
  section.add("enabled", Value::of_boolean(true));
  section.add("port", Value::of_integer("8081"));
  Value out = object();
  out.add("section", section);
  out.add("text", Value::of_text("x"));
  out.add("nothing", Value());
  out.add("items", list({item, object()}));
  out.add("none", list({}));
  out.add("empty", object());
  out.add("odd key", list({Value::of_boolean(false)}));
  return out;
}

Value without_null(Value value) {
  std::erase_if(value.entries, [](const Entry& entry) { return entry.value.kind == Value::Kind::null; });
  return value;
}

// The order does not matter, since TOML has tables last.
void sort(Value& value) {
  for (Entry& entry : value.entries) sort(entry.value);
  for (Value& item : value.items) sort(item);
  std::ranges::sort(value.entries, {}, &Entry::key);
}

Value read_back_toml(const Value& value) {
  const auto text = to_toml(value);
  REQUIRE(text);
  INFO(*text);
  auto document = parse_toml(*text, "f");
  REQUIRE(document);
  return document->root;
}

Value read_back_yaml(const Value& value) {
  const auto text = to_yaml(value);
  REQUIRE(text);
  CAPTURE(*text);
  const auto document = parse_yaml(*text, "f");
  REQUIRE(document);
  return document->root;
}
Value read_back_hcl(const Value& value) {
  const std::string text = to_hcl(value);
  INFO(text);
  auto document = parse_hcl(text, "f");
  REQUIRE(document);
  return document->root;
}

std::vector<std::string> difficult_strings() {
  std::vector<std::string> out = {
      "",     "a b",        "\"",       "\\",           "\\n",          "'",          "${HOME}", "$${x",
      "${",   "a${\"b\"}c", "$",        "{}",           "# no comment", "// neither", "<<EOF",   "two\nlines",
      "\r\n", "é 世界 😀",  "\xC2\x80", "\xE2\x80\xA8", "\"\"\"",       "0644",       "true"};
  for (char c = 1; c < 0x20; ++c) out.push_back(std::string("a") + c + "7");
  out.emplace_back("\x7F");
  return out;
}

}  // namespace

TEST_CASE("TOML: tables after the keys of the file") {
  CHECK(to_toml(sample()).value() == R"(text = "x"
none = []
"odd key" = [false]

[section]
enabled = true
port = 8081

[[items]]
name = "one"
extra = ["a", "b"]

[[items]]

[empty]
)");
}

TEST_CASE("HCL: blocks, and lists of objects as in the Go helper's documentation") {
  CHECK(to_hcl(sample()) == R"(section {
  enabled = true
  port = 8081
}
text = "x"
items = [
  {
    name = "one"
    extra = ["a", "b"]
  },
  {
  },
]
none = []
empty {
}
"odd key" = [false]
)");
}

TEST_CASE("YAML: blocks, and lists of plain values in brackets") {
  CHECK(to_yaml(sample()).value() == R"(section:
  enabled: true
  port: 8081
text: x
items:
  - name: one
    extra: [a, b]
  - {}
none: []
empty: {}
"odd key": [false]
)");
}

TEST_CASE("YAML writes without quotes only text that every reader reads as a string") {
  const auto written = [](const std::string& text) {
    Value value = object();
    value.add("key", Value::of_text(text));
    return to_yaml(value).value();
  };
  for (const std::string text : {"certs", "/run/agent.sock", "on-failure", "SIGRTMIN+3", "svid.pem"}) {
    CHECK(written(text) == "key: " + text + "\n");
  }
  for (const std::string text : {"",           "yes",
                                 "No",         "on",
                                 "OFF",        "y",
                                 "null",       "true",
                                 "1",          "0o644",
                                 "1.5",        "-c",
                                 ".5",         "a: b",
                                 "a #b",       "*a",
                                 "&a",         "!a",
                                 "[a",         "{a",
                                 "@a",         "~",
                                 "=",          "a b",
                                 "1m30s",      "spiffe://example.org/a",
                                 "2026-01-02", "daemon off;"}) {
    INFO(text);
    CHECK(written(text) == "key: \"" + text + "\"\n");
  }
}

TEST_CASE("a written document reads back unchanged") {
  Value expected = without_null(sample());
  sort(expected);
  for (Value got : {read_back_toml(sample()), read_back_hcl(sample()), read_back_yaml(sample())}) {
    sort(got);
    CHECK(got.same_as(expected));
  }
}

TEST_CASE("every string reads back unchanged") {
  for (const std::string& text : difficult_strings()) {
    CAPTURE(text);
    Value value = object();
    value.add("key", Value::of_text(text));
    CHECK(read_back_toml(value).same_as(value));
    CHECK(read_back_hcl(value).same_as(value));
    CHECK(read_back_yaml(value).same_as(value));
  }
}

TEST_CASE("bytes that are not UTF-8: HCL has escapes for them, TOML and YAML do not") {
  Value section = object();
  section.add("key", list({Value::of_text("good"), Value::of_text("bad \xE9")}));
  Value value = object();
  value.add("section", section);
  CHECK(read_back_hcl(value).same_as(value));
  const auto text = to_toml(value);
  REQUIRE_FALSE(text);
  CHECK(text.error().message == "section.key is not valid UTF-8, and TOML has no way to write it");
  CHECK(to_yaml(value).error().message == "section.key is not valid UTF-8, and YAML has no way to write it");
}

TEST_CASE("comments are above their keys, with the same indentation") {
  Value section = object();
  section.add("inner", Value::of_boolean(true));
  section.entries[0].comments = {"inside"};
  Value value = object();
  value.add("section", section);
  value.entries[0].comments = {"first", "", "second"};
  CHECK(to_toml(value).value() == "# first\n#\n# second\n[section]\n# inside\ninner = true\n");
  CHECK(to_hcl(value) == "# first\n#\n# second\nsection {\n  # inside\n  inner = true\n}\n");
  CHECK(to_yaml(value).value() == "# first\n#\n# second\nsection:\n  # inside\n  inner: true\n");
  Value items = object();
  items.add("items", list({section, section}));
  CHECK(to_yaml(items).value() ==
        "items:\n  -\n    # inside\n    inner: true\n  -\n    # inside\n    inner: true\n");
}

}  // namespace spiffe::config
