#include "config/toml_reader.hh"

#include "support/catch.hh"
#include "unit/config/support.hh"

namespace spiffe::config {

using test::must_load;

TEST_CASE("TOML gives the same configuration as HCL") {
  const auto loaded = must_load({.text = R"(
cert_dir = "certs"
svid_file_name = 'svid.pem'
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
cert_file_mode = 0o640
stop_timeout = "20s"
cmd = "sh"
cmd_args = ["-c", "echo it's done"]

[health_checks]
listener_enabled = true
bind_port = 9_000

[[jwt_svids]]
jwt_audience = "db"
jwt_svid_file_name = "db.token"

[[jwt_svids]]
jwt_audience = "web"
jwt_extra_audiences = ["a", "b"]
jwt_svid_file_name = "web.token"
)",
                                 .file = "helper.toml"});
  const Config& config = loaded.config;
  CHECK(config.cert_dir == "certs");
  CHECK(config.x509.names.at("svid_file_name") == "svid.pem");
  CHECK(config.cert_file_mode == 0640);
  CHECK(config.stop_timeout == std::chrono::seconds(20));
  CHECK(config.cmd_args == std::vector<std::string>{"-c", "echo it's done"});
  CHECK(config.health_checks.listener_enabled);
  CHECK(config.health_checks.bind_port == 9000);
  REQUIRE(config.jwt_svids.size() == 2);
  CHECK(config.jwt_svids[1].jwt_extra_audiences == std::vector<std::string>{"a", "b"});
  CHECK(loaded.warnings.empty());
}

TEST_CASE("TOML keys are read in the order of the file") {
  const auto document = parse_toml("z = 1\na = 0x1F\nm.n = 0b11\n", "f");
  REQUIRE(document);
  const auto& entries = document->root.entries;
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].key == "z");
  CHECK(entries[0].at == Position{1, 1});
  CHECK(entries[0].value.at == Position{1, 5});
  CHECK(entries[1].value.text == "0x1f");
  CHECK(entries[2].value.entries[0].value.text == "0b11");
}

TEST_CASE("TOML that would overflow the stack is refused") {
  std::string dots = "a";
  for (int i = 0; i < 300000; ++i) dots += ".a";
  const auto document = parse_toml(dots + " = 1\n", "f");
  REQUIRE_FALSE(document);
  CHECK(document.error().message == "f:1:4002: more dotted keys than a configuration can need");
  CHECK_FALSE(parse_toml("a = " + std::string(100000, '['), "f"));
  // Dots in strings and comments do not make keys.
  const std::string many(5000, '.');
  CHECK(parse_toml(
      "a = \"\\\"" + many + "\"\nb = '" + many + "'\nc = \"\"\"\n" + many + "\"\"\" # " + many + "\n", "f"));
}

TEST_CASE("TOML accepts characters that are not ASCII only in strings and comments") {
  const auto good =
      parse_toml("a = '\xC3\xA9' # \xC3\xA9\nb = \"\"\"\n\xC3\xA9\"\"\"\"\"\n\"\xC3\xA9\" = 1\n", "f");
  CHECK(good);
  for (const std::string text : {"\xC3\xA9 = 1", "a \xC3\xA9", "a = 1 \xC3\xA9", "a = 0xE\"F\xC3\xA9"}) {
    INFO(text);
    CHECK_FALSE(parse_toml(text, "f"));
  }
  // White space after a backslash at the end of a line is dropped, whatever follows.
  const auto document = parse_toml("a = \"\"\"\\\n  \xC3\xA9\"\"\"", "f");
  REQUIRE(document);
  CHECK(document->root.entries[0].value.text == "\xC3\xA9");
}

TEST_CASE("TOML syntax errors name their place") {
  const auto document = parse_toml("a = 1\nb = \n", "helper.toml");
  REQUIRE_FALSE(document);
  CHECK(document.error().message.starts_with("helper.toml:2:"));
  CHECK(document.error().kind == ErrorKind::config);
}

}  // namespace spiffe::config
