#include "config/load.hh"

#include <filesystem>
#include <fstream>

#include "support/catch.hh"
#include "unit/config/support.hh"

namespace spiffe::config {

using test::kFiles;
using test::load_text;
using test::must_load;
using test::warnings_of;
using Strings = std::vector<std::string>;

namespace {

const std::string kText(kFiles);

std::string error_of(const Result<Loaded>& loaded) {
  return loaded ? "loaded" : loaded.error().message;
}

// The resulting address and its source.
std::string address(const Environment& environment, const std::string& line = "",
                    const std::vector<FlagValue>& flags = {}) {
  const auto loaded = load_text({.text = kText + line, .environment = environment, .flags = flags});
  if (!loaded) return loaded.error().message;
  return loaded->config.agent_address.uri() + " " + loaded->config.agent_address_source;
}

}  // namespace

TEST_CASE("a flag has priority over a variable, a variable over the file, the file over the default") {
  const std::string line = "cert_dir = \"file\"\n";
  CHECK(must_load({.text = kText}).config.cert_dir.empty());
  CHECK(must_load({.text = kText + line}).config.cert_dir == "file");
  const Environment environment = {{"SPIFFE_HLP_CERT_DIR", "variable"}};
  CHECK(must_load({.text = kText + line, .environment = environment}).config.cert_dir == "variable");
  const auto loaded =
      must_load({.text = kText + line,
                 .environment = environment,
                 .flags = {{"cert_dir", "one", "-cert-dir"}, {"cert_dir", "flag", "-cert-dir"}}});
  CHECK(loaded.config.cert_dir == "flag");
}

TEST_CASE("every kind of key can be set by a variable") {
  const auto loaded = must_load(
      {.text = kText,
       .environment = {{"SPIFFE_HLP_HEALTH_CHECKS_BIND_PORT", "9000"},
                       {"SPIFFE_HLP_HEALTH_CHECKS_LISTENER_ENABLED", "t"},
                       {"SPIFFE_HLP_CERT_FILE_MODE", "640"},
                       {"SPIFFE_HLP_STOP_TIMEOUT", "3s"},
                       {"SPIFFE_HLP_CMD", "sh"},
                       {"SPIFFE_HLP_CMD_ARGS", "-c \"a b\""},
                       {"SPIFFE_HLP_RENEW_CMD", R"(["sh", "-c", "a b"])"},
                       {"SPIFFE_HLP_NOTIFY_ON", R"(["jwt"])"},
                       {"SPIFFE_HLP_JWT_SVIDS", R"([{"jwt_audience": "a", "jwt_svid_file_name": "t"}])"}}});
  const Config& config = loaded.config;
  CHECK(config.health_checks.bind_port == 9000);
  CHECK(config.health_checks.listener_enabled);
  CHECK(config.cert_file_mode == 0640);
  CHECK(config.stop_timeout == std::chrono::seconds(3));
  CHECK(config.cmd_args == Strings{"-c", "a b"});
  CHECK(config.renew_cmd == Strings{"sh", "-c", "a b"});
  CHECK(config.notify_on == std::vector{identity::Kind::jwt});
  CHECK(config.jwt_svids.size() == 1);
  CHECK(loaded.warnings.empty());
}

TEST_CASE("a list of a later source replaces the earlier one") {
  const auto loaded =
      must_load({.text = kText + "jwt_svids = [{ jwt_audience = \"a\", jwt_svid_file_name = \"a.token\" }]\n",
                 .environment = {{"SPIFFE_HLP_JWT_SVIDS",
                                  R"([{"jwt_audience": "b", "jwt_svid_file_name": "b.token"}])"}}});
  REQUIRE(loaded.config.jwt_svids.size() == 1);
  CHECK(loaded.config.jwt_svids[0].jwt_audience == "b");
}

TEST_CASE("an empty variable counts as not set, an empty flag as set") {
  const std::string line = "hint = \"db\"\n";
  CHECK(must_load({.text = kText + line, .environment = {{"SPIFFE_HLP_HINT", ""}}}).config.hint == "db");
  CHECK(must_load({.text = kText + line, .flags = {{"hint", "", "-hint"}}}).config.hint.empty());
}

TEST_CASE("unknown SPIFFE_HLP_ variables are warnings") {
  const auto loaded = must_load(
      {.text = kText,
       .environment = {
           {"SPIFFE_HLP_PORT", "tcp://10.0.0.1:80"}, {"SPIFFE_HLP_CERT_DIRR", "x"}, {"PATH", "/bin"}}});
  CHECK(warnings_of(loaded) ==
        Strings{"SPIFFE_HLP_PORT | unknown variable SPIFFE_HLP_PORT is ignored",
                "SPIFFE_HLP_CERT_DIRR | unknown variable SPIFFE_HLP_CERT_DIRR is ignored; did you mean "
                "SPIFFE_HLP_CERT_DIR?"});
}

TEST_CASE("the agent's address is taken from the first source that sets it") {
  Environment environment;
  CHECK(address(environment) == "unix:///tmp/spire-agent/public/api.sock default");
  environment.emplace_back("SPIRE_AGENT_ADDRESS", "/old.sock");
  CHECK(address(environment) == "unix:///old.sock SPIRE_AGENT_ADDRESS");
  environment.emplace_back("SPIFFE_ENDPOINT_SOCKET", "tcp://127.0.0.1:80");
  CHECK(address(environment) == "tcp://127.0.0.1:80 SPIFFE_ENDPOINT_SOCKET");
  environment.emplace_back("SPIFFE_ENDPOINT", "https://a,unix:/list.sock");
  CHECK(address(environment) == "unix:///list.sock SPIFFE_ENDPOINT");
  CHECK(address(environment, "agent_address = \"\"\n") == "unix:///list.sock SPIFFE_ENDPOINT");
  CHECK(address(environment, "agent_address = \"unix:///f\"\n") == "unix:///f helper.conf:4:17");
  environment.emplace_back("SPIFFE_HLP_AGENT_ADDRESS", "/v");
  CHECK(address(environment, "agent_address = \"/f\"\n") == "unix:///v SPIFFE_HLP_AGENT_ADDRESS");
  CHECK(address(environment, "agent_address = \"/f\"\n", {{"agent_address", "/x", "-agent-address"}}) ==
        "unix:///x -agent-address");
}

TEST_CASE("an empty agent_address cancels an earlier one") {
  CHECK(address({}, "agent_address = \"/f\"\nagent_address = \"\"\n") ==
        "unix:///tmp/spire-agent/public/api.sock default");
  CHECK(address({{"SPIFFE_ENDPOINT_SOCKET", "unix:///e"}}, "agent_address = \"/f\"\n",
                {{"agent_address", "", "-agent-address"}}) == "unix:///e SPIFFE_ENDPOINT_SOCKET");
}

TEST_CASE("the old name of the address variable causes a warning") {
  const auto loaded = must_load({.text = kText, .environment = {{"SPIRE_AGENT_ADDRESS", "/a"}}});
  CHECK(warnings_of(loaded) ==
        Strings{
            "SPIRE_AGENT_ADDRESS | SPIRE_AGENT_ADDRESS is deprecated. Use SPIFFE_ENDPOINT_SOCKET instead."});
}

TEST_CASE("a missing default file matters only if no other source sets an output") {
  const test::WorkingDirectory directory;
  LoadOptions options;
  auto loaded = load(options);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().message == "cannot read \"helper.conf\": no such file or directory");
  CHECK(loaded.error().hint == "create it, name another file with -config, or give every setting as a flag");
  options.environment = {{"SPIFFE_HLP_SVID_FILE_NAME", "a"}, {"SPIFFE_HLP_SVID_KEY_FILE_NAME", "b"}};
  options.flags = {{"svid_bundle_file_name", "c", "-svid-bundle-file-name"}};
  loaded = load(options);
  REQUIRE(loaded);
  CHECK(loaded->file_used.empty());
  options.path_given = true;
  loaded = load(options);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().hint == "check the path given with -config");
  CHECK(loaded.error().kind == ErrorKind::config);
}

TEST_CASE("a file that cannot be read is an error, given or not") {
  const test::WorkingDirectory directory;
  std::filesystem::create_directory("helper.conf");
  CHECK(error_of(load({})) == "cannot read \"helper.conf\": is a directory");
}

TEST_CASE("the format can be forced") {
  const test::WorkingDirectory directory;
  directory.write("a.conf", "svid_file_name = 'a'\nsvid_key_file_name = 'b'\nsvid_bundle_file_name = 'c'\n");
  LoadOptions options;
  options.path = "a.conf";
  CHECK(error_of(load(options)).starts_with("a.conf:1:18: "));
  options.format = Format::toml;
  CHECK(error_of(load(options)) == "loaded");
  options.format = Format::json;
  CHECK(error_of(load(options)) == "a.conf:1:1: expected a JSON value, found \"s\"");
  CHECK(parse_format("hcl") == Format::hcl);
  CHECK(parse_format("yaml") == Format::yaml);
  CHECK(parse_format("auto") == Format::by_name);
  CHECK(parse_format("yml").error().message ==
        "the format must be auto, hcl, toml, json or yaml, not \"yml\"");
}

TEST_CASE("control characters in a file's name are escaped") {
  const auto loaded = load_text({.text = "x", .file = "a\x1b[31m.conf"});
  CHECK(error_of(loaded).starts_with("a\\x1b[31m.conf:1:2: "));
}

TEST_CASE("keys without effect cause a warning") {
  CHECK(warnings_of(must_load({.text = kText + "timeout = \"5s\"\n"})) ==
        Strings{"helper.conf:4:1 | timeout is ignored in daemon mode: there is no limit"});
  CHECK(warnings_of(must_load({.text = kText + "daemon_mode = false\ntimeout = \"5s\"\n"})).empty());
  CHECK(warnings_of(
            must_load({.text = kText + "daemon_mode = false\ncmd = \"a\"\nrenew_signal = \"HUP\"\n"})) ==
        Strings{
            "helper.conf:5:1 | cmd is set but daemon_mode is false. cmd will be ignored. This may become an "
            "error in a future release.",
            "helper.conf:6:1 | renew_signal is set but daemon_mode is false. renew_signal will be ignored. "
            "This may become an error in a future release."});
}

TEST_CASE("hint as a flag together with spiffe_id in the file is refused") {
  const auto loaded = load_text(
      {.text = kText + "spiffe_id = \"spiffe://example.org/db\"\n", .flags = {{"hint", "db", "-hint"}}});
  CHECK(error_of(loaded) == "helper.conf:4:13: hint and spiffe_id are both set: use one of them");
}

TEST_CASE("a flag without a key is refused") {
  const auto loaded = load_text({.text = kText, .flags = {{"certs", "x", "-certs"}}});
  CHECK(error_of(loaded) == "-certs: unknown key \"certs\"");
}

TEST_CASE("every key has a flag") {
  const auto flags = flag_table();
  const auto find = [&flags](std::string_view name) {
    for (const FlagSpec& flag : flags) {
      if (flag.name == name) return flag;
    }
    FAIL(name);
    return FlagSpec();
  };
  CHECK(find("cert-dir").key == "cert_dir");
  CHECK(find("health-checks-bind-port").key == "health_checks.bind_port");
  CHECK(find("daemon-mode").boolean);
  CHECK(find("renew-signal-guard").boolean);
  CHECK_FALSE(find("timeout").boolean);
  for (const FlagSpec& flag : flags) {
    INFO(flag.name);
    CHECK_FALSE(flag.help.empty());
    CHECK(flag.boolean == flag.value_name.empty());
  }
}

TEST_CASE("environ entries become pairs") {
  const char* const entries[] = {"A=1", "B=x=y", "C=", "nothing", nullptr};
  CHECK(environment_from(entries) == Environment{{"A", "1"}, {"B", "x=y"}, {"C", ""}});
}

}  // namespace spiffe::config
