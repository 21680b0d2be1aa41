#include "config/yaml_reader.hh"

#include <chrono>

#include "config/comments.hh"
#include "support/catch.hh"
#include "unit/config/support.hh"

namespace spiffe::config {

using test::must_load;
using Strings = std::vector<std::string>;

TEST_CASE("YAML in block and flow style gives the same configuration as HCL") {
  constexpr std::string_view kBlock = R"(%YAML 1.2
---
# a comment
cert_dir: certs
svid_file_name: 'svid.pem'
"svid_key_file_name": key.pem   # another
svid_bundle_file_name: "bundle.pem"
cert_file_mode: 0o640
key_file_mode: 256
jwt_svid_file_mode: 0440
stop_timeout: 20s
cmd: sh
cmd_args:
- -c
- echo it's done
hint: 
health_checks:
  listener_enabled: true
  bind_port: 9_000
jwt_svids:
  - jwt_audience: db
    jwt_svid_file_name: db.token
  -
    jwt_audience: spiffe://example.org/web
    jwt_extra_audiences: [a, "b"]
    jwt_svid_file_name: web.token
...
)";
  constexpr std::string_view kFlow = R"({cert_dir: certs, "svid_file_name":"svid.pem",
 svid_key_file_name: key.pem, svid_bundle_file_name: bundle.pem, cert_file_mode: "0640", key_file_mode: 0400,
 jwt_svid_file_mode: 0440, stop_timeout: 20s, cmd: sh, cmd_args: [-c, echo it's done],
 health_checks: {listener_enabled: True, bind_port: 0x2328},
 jwt_svids: [{jwt_audience: db, jwt_svid_file_name: db.token}, {jwt_audience: "spiffe://example.org/web",
   jwt_extra_audiences: [a, b], jwt_svid_file_name: web.token}]}
)";
  for (const std::string_view text : {kBlock, kFlow}) {
    const auto loaded = must_load({.text = std::string(text), .file = "helper.yml"});
    const Config& config = loaded.config;
    CHECK(config.cert_dir == "certs");
    CHECK(config.x509.names.at("svid_file_name") == "svid.pem");
    CHECK(config.cert_file_mode == 0640);
    CHECK(config.key_file_mode == 0400);
    CHECK(config.jwt_svid_file_mode == 0440);
    CHECK(config.stop_timeout == std::chrono::seconds(20));
    CHECK(config.cmd_args == Strings{"-c", "echo it's done"});
    CHECK(config.health_checks.listener_enabled);
    CHECK(config.health_checks.bind_port == 9000);
    REQUIRE(config.jwt_svids.size() == 2);
    CHECK(config.jwt_svids[1].jwt_audience == "spiffe://example.org/web");
    CHECK(config.jwt_svids[1].jwt_extra_audiences == Strings{"a", "b"});
    CHECK(loaded.warnings.empty());
  }
}

TEST_CASE("a YAML mode with an octal prefix is octal, and otherwise read as in HCL") {
  const std::string files = "svid_file_name: a\nsvid_key_file_name: b\nsvid_bundle_file_name: c\n";
  const auto mode = [&](const std::string& text) {
    return must_load({.text = files + "cert_file_mode: " + text + "\n", .file = "f.yaml"});
  };
  for (const std::string text : {"0444", "0o444", "292", "\"0444\"", "'444'", "0x124"}) {
    INFO(text);
    const auto loaded = mode(text);
    CHECK(loaded.config.cert_file_mode == 0444);
    CHECK(loaded.warnings.empty());
  }
  CHECK(test::warnings_of(mode("444")) ==
        Strings{"f.yaml:4:17 | cert_file_mode = 444 is read as 0444: write 0o444"});
  CHECK(mode("444").config.cert_file_mode == 0444);
}

TEST_CASE("YAML without quotes is null, a boolean, a number or a string") {
  const auto kind = [](std::string_view text) {
    const auto value = parse_yaml_value("- " + std::string(text), "f");
    REQUIRE(value);
    REQUIRE(value->items.size() == 1);
    CHECK((value->items[0].kind != Value::Kind::integer || value->items[0].text == text));
    return value->items[0].kind;
  };
  for (const auto* text : {"", "~", "null", "Null"}) CHECK(kind(text) == Value::Kind::null);
  for (const auto* text : {"true", "False", "TRUE"}) CHECK(kind(text) == Value::Kind::boolean);
  for (const auto* text :
       {"0", "-1", "+5", "0644", "0o644", "0x1F", "0b11", "1_000", "0899", "99999999999999999999"}) {
    INFO(text);
    CHECK(kind(text) == Value::Kind::integer);
  }
  for (const auto* text : {"1.5", ".5", "1e3", "-.inf", ".NaN", "1.", "6.02E+23"})
    CHECK(kind(text) == Value::Kind::real);
  for (const auto* text :
       {"a",          "y",   "n",    "-",       "1s",      "1__0", "0x",  ".",         "e3",  "12:30",
        "2026-01-02", "::1", "tRUE", "!!str 5", "\"yes\"", "'1'",  "! 5", "127.0.0.1", "a#b", "-g"}) {
    INFO(text);
    // "- -" is a list within the list.
    if (std::string_view(text) != "-") CHECK(kind(text) == Value::Kind::text);
  }
}

TEST_CASE("YAML strings of several lines") {
  const auto document =
      parse_yaml("a: |\n  one\n  # two\nb: >-\n  one\n  two\nc: one\n  two\r\nd: \"\\u00e9\\n\"\n", "f");
  REQUIRE(document);
  const auto& entries = document->root.entries;
  REQUIRE(entries.size() == 4);
  CHECK(entries[0].value.text == "one\n# two\n");
  CHECK(entries[1].value.text == "one two");
  CHECK(entries[2].value.text == "one two");
  CHECK(entries[3].value.text == "\xC3\xA9\n");
  CHECK(document->comments.empty());
}

TEST_CASE("YAML places count characters and lines as an editor does") {
  const auto document = parse_yaml("\xC3\xA9: '\xE2\x80\xA8'\r\nb: 5\n", "f");
  REQUIRE(document);
  const auto& entries = document->root.entries;
  CHECK(entries[0].value.at == Position{1, 4});
  CHECK(entries[1].at == Position{2, 1});
  CHECK(entries[1].value.at == Position{2, 4});
}

TEST_CASE("a YAML file without a value is an empty configuration") {
  for (const std::string text : {"", "# nothing\n", "---\n", "--- \n...\n", "null\n"}) {
    INFO(text);
    const auto document = parse_yaml(text, "f");
    REQUIRE(document);
    CHECK(document->root.kind == Value::Kind::object);
    CHECK(document->root.entries.empty());
  }
}

TEST_CASE("a YAML alias is a copy of its anchor's value") {
  const auto value = parse_yaml_value("- &a {x: &b [1, 2]}\n- *a\n- *b\n", "f");
  REQUIRE(value);
  REQUIRE(value->items.size() == 3);
  CHECK(value->items[1].same_as(value->items[0]));
  CHECK(value->items[2].same_as(value->items[0].entries[0].value));
  CHECK(value->items[1].at == Position{2, 3});
}

TEST_CASE("YAML that would use up the memory is refused at once") {
  const auto message = [](const std::string& text) {
    const auto begin = std::chrono::steady_clock::now();
    const auto document = parse_yaml(text, "f");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));  // must not take minutes
    return document ? "read" : document.error().message;
  };
  // Nine of nine of nine …
  std::string laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    const std::string before = std::string("*") + static_cast<char>(c - 1);
    std::string items = before;
    for (int i = 0; i < 8; ++i) items += ", " + before;
    laughs += std::string(1, c) + ": &" + c + " [" + items + "]\n";
  }
  CHECK(message(laughs) == "f:5:32: more values than a configuration can need");
  // One long string, repeated many times.
  std::string copies = "a: &a " + std::string(100000, 'x') + "\nb:\n";
  for (int i = 0; i < 100; ++i) copies += "- *a\n";
  CHECK(message(copies).contains("more values than a configuration can need"));
  std::string dashes;
  for (int i = 0; i < 200000; ++i) dashes += "- a\n";
  CHECK(message(dashes).contains("more values than a configuration can need"));
  std::string directives;
  for (int i = 0; i < 50000; ++i) directives += "%TAG !" + std::to_string(i) + "! a\n";
  CHECK(message(directives + "--- a\n") == "f:1:1: more lines begin with % than a configuration can need");
  CHECK(message(std::string(100000, '[')) == "f:1:65: more than 64 levels deep");
  CHECK(message(std::string(100000, '-')) != "read");
  CHECK(message("a: " + std::string(500000, '&')) != "read");
}

TEST_CASE("YAML comments are found next to values, not inside them") {
  auto document = parse_yaml(R"(# first
a: 'x # y' # behind
b: "x
  # y"
c: | # mark
  # content

# before d
d: [1, # one
    2]
e: a#b
# last
)",
                             "f");
  REQUIRE(document);
  const auto last = attach_comments(*document);
  const auto& entries = document->root.entries;
  REQUIRE(entries.size() == 5);
  CHECK(entries[0].comments == Strings{"first", "behind"});
  CHECK(entries[1].comments.empty());
  CHECK(entries[2].comments == Strings{"mark"});
  CHECK(entries[2].value.text == "# content\n");
  CHECK(entries[3].comments == Strings{"before d", "one"});
  CHECK(entries[4].value.text == "a#b");
  CHECK(last == Strings{"last"});
}

TEST_CASE("a list in a variable may be YAML") {
  const std::string files = std::string(test::kFiles);
  for (const std::string text :
       {R"([{"jwt_audience": "db", "jwt_svid_file_name": "t"}])",
        "[{jwt_audience: db, jwt_svid_file_name: t}]", "- jwt_audience: db\n  jwt_svid_file_name: t\n"}) {
    INFO(text);
    const auto loaded =
        must_load({.text = files + "jwt_svids = [{ jwt_audience = \"x\", jwt_svid_file_name = \"y\" }]",
                   .environment = {{"SPIFFE_HLP_JWT_SVIDS", text}}});
    REQUIRE(loaded.config.jwt_svids.size() == 1);
    CHECK(loaded.config.jwt_svids[0].jwt_audience == "db");
    CHECK(loaded.config.jwt_svids[0].jwt_svid_file_name == "t");
  }
}

TEST_CASE("the format of the file: flag, variable, name") {
  const test::WorkingDirectory directory;
  directory.write("a.yaml", "svid_file_name: a\nsvid_key_file_name: b\nsvid_bundle_file_name: c\n");
  directory.write("a.conf", "svid_file_name: a\nsvid_key_file_name: b\nsvid_bundle_file_name: c\n");
  LoadOptions options;
  options.path = "a.yaml";
  CHECK(load(options));
  options.path = "a.conf";
  CHECK_FALSE(load(options));
  options.environment = {{"SPIFFE_HLP_CONFIG_FORMAT", "yaml"}};
  const auto loaded = load(options);
  REQUIRE(loaded);
  CHECK(loaded->warnings.empty());
  options.format = Format::by_name;
  CHECK_FALSE(load(options));
  options.format.reset();
  options.environment = {{"SPIFFE_HLP_CONFIG_FORMAT", "yml"}};
  CHECK(load(options).error().message ==
        "SPIFFE_HLP_CONFIG_FORMAT: the format must be auto, hcl, toml, json or yaml, not \"yml\"");
}

TEST_CASE("an empty file name means no file") {
  const test::WorkingDirectory directory;
  directory.write("helper.conf", "this is not read");
  LoadOptions options;
  options.path = "";
  options.path_given = true;
  CHECK(load(options).error().message.starts_with("no output is configured"));
  options.environment = {{"SPIFFE_HLP_JWT_BUNDLE_FILE_NAME", "b"}};
  const auto loaded = load(options);
  REQUIRE(loaded);
  CHECK(loaded->file_used.empty());
  CHECK(loaded->config.jwt_bundle_file_name == "b");
}

}  // namespace spiffe::config
