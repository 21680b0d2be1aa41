#include "config/binder.hh"

#include <csignal>

#include "config/schema.hh"
#include "output/formats.hh"
#include "support/catch.hh"
#include "unit/config/support.hh"

namespace spiffe::config {

using test::kFiles;
using test::load_text;
using test::must_load;
using test::warnings_of;
using Strings = std::vector<std::string>;

namespace {

Config read(const std::string& text) {
  return must_load({.text = std::string(kFiles) + text}).config;
}

}  // namespace

TEST_CASE("the configuration of the Go helper's documentation loads") {
  const auto loaded = must_load({.text = R"(
agent_address = "/tmp/spire-agent/public/api.sock"
cmd = "hot-restarter.py"
cmd_args = "start_envoy.sh"
cert_dir = "certs"
renew_signal = "SIGHUP"
svid_file_name = "svid.pem"
svid_key_file_name = "svid_key.pem"
svid_bundle_file_name = "svid_bundle.pem"
jwt_svids = [
  {
    jwt_audience = "your-audience"
    jwt_extra_audiences = ["your-extra-audience-1", "your-extra-audience-2"]
    jwt_svid_file_name = "jwt_svid.token"
  }
]
jwt_bundle_file_name = "jwt_bundle.json"
add_intermediates_to_bundle = true
cert_file_mode = 0444
key_file_mode = 0400
)"});
  const Config& config = loaded.config;
  CHECK(config.agent_address.uri() == "unix:///tmp/spire-agent/public/api.sock");
  CHECK(config.agent_address_source == "helper.conf:2:17");
  CHECK(config.cmd == "hot-restarter.py");
  CHECK(config.cmd_args == Strings{"start_envoy.sh"});
  CHECK(config.cert_dir == "certs");
  CHECK(config.renew_signal == SIGHUP);
  CHECK(config.x509.names.at("svid_key_file_name") == "svid_key.pem");
  REQUIRE(config.jwt_svids.size() == 1);
  CHECK(config.jwt_svids[0].jwt_audience == "your-audience");
  CHECK(config.jwt_svids[0].jwt_extra_audiences == Strings{"your-extra-audience-1", "your-extra-audience-2"});
  CHECK(config.jwt_bundle_file_name == "jwt_bundle.json");
  CHECK(config.x509.options.add_intermediates_to_bundle);
  CHECK(config.cert_file_mode == 0444);
  CHECK(config.key_file_mode == 0400);
  CHECK(loaded.warnings.empty());
}

TEST_CASE("the camelCase names of old tutorials load, with a warning for each") {
  const auto loaded = must_load({.text = R"(
agentAddress = "/tmp/spire-agent/public/api.sock"
cmd = "sleep"
cmdArgs = "infinity"
certDir = "certs"
renewSignal = "SIGUSR1"
svidFileName = "svid.pem"
svidKeyFileName = "svid_key.pem"
svidBundleFileName = "svid_bundle.pem"
addIntermediatesToBundle = true
)"});
  CHECK(loaded.config.cmd_args == Strings{"infinity"});
  CHECK(loaded.config.cert_dir == "certs");
  CHECK(loaded.config.renew_signal == SIGUSR1);
  CHECK(loaded.config.x509.options.add_intermediates_to_bundle);
  CHECK(
      warnings_of(loaded) ==
      Strings{
          "helper.conf:2:1 | agentAddress will be deprecated, should be used as agent_address",
          "helper.conf:4:1 | cmdArgs will be deprecated, should be used as cmd_args",
          "helper.conf:5:1 | certDir will be deprecated, should be used as cert_dir",
          "helper.conf:6:1 | renewSignal will be deprecated, should be used as renew_signal",
          "helper.conf:7:1 | svidFileName will be deprecated, should be used as svid_file_name",
          "helper.conf:8:1 | svidKeyFileName will be deprecated, should be used as svid_key_file_name",
          "helper.conf:9:1 | svidBundleFileName will be deprecated, should be used as svid_bundle_file_name",
          "helper.conf:10:1 | addIntermediatesToBundle will be deprecated, should be used as "
          "add_intermediates_to_bundle"});
}

TEST_CASE("keys match in any case, and the last of repeated scalars wins") {
  CHECK(read("CERT_DIR = \"a\"\nCert_Dir = \"b\"").cert_dir == "b");
  CHECK(read("certdir = \"a\"\nCERTDIR = \"b\"").cert_dir == "b");
}

TEST_CASE("a repeated alias causes one warning") {
  const auto loaded = must_load({.text = std::string(kFiles) + "certDir = \"a\"\ncertDir = \"b\""});
  CHECK(loaded.config.cert_dir == "b");
  CHECK(
      warnings_of(loaded) ==
      Strings{"helper.conf:4:1 | certDir will be deprecated, should be used as cert_dir",
              "helper.conf:5:1 | cert_dir is given twice: the value here counts, the one at helper.conf:4:1 "
              "does not"});
}

TEST_CASE("a number in place of a string is used as it is spelled") {
  CHECK(read("hint = 0644").hint == "0644");
  CHECK(read("hint = -0x1F").hint == "-0x1F");
  CHECK(read("cmd = \"x\" cmd_args = 5").cmd_args == Strings{"5"});
  CHECK(read("cmd = \"sleep\" cmd_args = [60, \"a b\"]").cmd_args == Strings{"60", "a b"});
  CHECK(read("renew_signal = 1").renew_signal == SIGHUP);
}

TEST_CASE("a string in place of a number is parsed as a number") {
  CHECK(read("health_checks { bind_port = \"0x1F90\" }").health_checks.bind_port == 8080);
  CHECK(read("health_checks { bind_port = 0 }").health_checks.bind_port == 8081);
}

TEST_CASE("jwt_svids may be a list, an object or blocks, and may be repeated") {
  const Config config = read(R"(
jwt_svids = [{ jwt_audience = "a", jwt_svid_file_name = "a.token" }]
jwt_svids { jwt_audience = "b" jwt_svid_file_name = "b.token" }
jwt_svids "name" { jwt_audience = "c" jwt_svid_file_name = "c.token" }
jwt_svids = { jwt_audience = "d", jwt_svid_file_name = "d.token" }
)");
  REQUIRE(config.jwt_svids.size() == 4);
  std::string audiences;
  for (const JwtSvid& svid : config.jwt_svids) audiences += svid.jwt_audience;
  CHECK(audiences == "abcd");
}

TEST_CASE("repeated jwt_extra_audiences are appended") {
  const Config config = read(
      "jwt_svids = [{ jwt_audience = \"a\", jwt_svid_file_name = \"a\", jwt_extra_audiences = [\"b\"]\n"
      "jwt_extra_audiences = [\"c\", 4] }]");
  CHECK(config.jwt_svids[0].jwt_extra_audiences == Strings{"b", "c", "4"});
}

TEST_CASE("health_checks may be a block or an object, and may be repeated") {
  const Config config =
      read("health_checks { listener_enabled = true }\nhealth_checks = { bind_port = 9000 }");
  CHECK(config.health_checks.listener_enabled);
  CHECK(config.health_checks.bind_port == 9000);
  CHECK(read("health_checks { liveness_path = \"\" }").health_checks.liveness_path == "/live");
}

TEST_CASE("unknown keys that the Go helper accepts are warnings") {
  const auto loaded =
      must_load({.text = std::string(kFiles) + "\"frobnicate\" = 1\nhealth_checks { bind_prot = 1 }"});
  CHECK(
      warnings_of(loaded) ==
      Strings{"helper.conf:4:1 | unknown key \"frobnicate\"",
              "helper.conf:5:17 | unknown key \"bind_prot\" in health_checks; did you mean \"bind_port\"?"});
}

TEST_CASE("unknown keys of health_checks and variables suggest the keys that were meant") {
  const auto loaded = must_load({.text = std::string(kFiles) + R"(
health_checks { listener_enabled = true, port = 80, liveness = "/l", enabled = true }
)",
                                 .environment = {{"SPIFFE_HLP_SVID_FILE", "x"},
                                                 {"SPIFFE_HLP_AGENT_SOCKET", "x"},
                                                 {"SPIFFE_HLP_HEALTH_CHECKS_PORT", "1"}}});
  CHECK(warnings_of(loaded) ==
        Strings{
            R"(helper.conf:5:42 | unknown key "port" in health_checks; did you mean "bind_port"?)",
            R"(helper.conf:5:53 | unknown key "liveness" in health_checks; did you mean "liveness_path"?)",
            R"(helper.conf:5:70 | unknown key "enabled" in health_checks; did you mean "listener_enabled"?)",
            "SPIFFE_HLP_SVID_FILE | unknown variable SPIFFE_HLP_SVID_FILE is ignored; did you mean "
            "SPIFFE_HLP_SVID_FILE_NAME?",
            "SPIFFE_HLP_AGENT_SOCKET | unknown variable SPIFFE_HLP_AGENT_SOCKET is ignored; did you mean "
            "SPIFFE_HLP_AGENT_ADDRESS?",
            "SPIFFE_HLP_HEALTH_CHECKS_PORT | unknown variable SPIFFE_HLP_HEALTH_CHECKS_PORT is ignored; "
            "did you mean SPIFFE_HLP_HEALTH_CHECKS_BIND_PORT?"});
}

TEST_CASE("every mistake of file, variables and flags is reported at once") {
  const auto loaded = load_text({.text = R"(
svid_filename = "a"
frobnicate = 1
jwt_svids = [{ jwt_audiense = "db" }]
cert_dir = "certs"
stop_timeout = 5
)",
                                 .environment = {{"SPIFFE_HLP_TIMEOUT", "soon"}},
                                 .flags = {{"renew_signal", "SIGFOO", "-renew-signal"}}});
  REQUIRE_FALSE(loaded);
  Strings messages = {loaded.error().message};
  for (const Error& each : loaded.error().also) messages.push_back(each.message);
  CHECK(
      messages ==
      Strings{R"(helper.conf:2:1: unknown key "svid_filename"; did you mean "svid_file_name"?)",
              R"(helper.conf:3:1: unknown key "frobnicate")",
              R"(helper.conf:4:16: unknown key "jwt_audiense" in jwt_svids[0]; did you mean "jwt_audience"?)",
              R"(helper.conf:6:16: stop_timeout "5" has no unit)",
              R"(SPIFFE_HLP_TIMEOUT: timeout "soon" is not a duration)",
              R"(-renew-signal: renew_signal must be a signal such as SIGHUP, HUP, 1 or SIGRTMIN+3, )"
              R"(not the string "SIGFOO")"});
}

TEST_CASE("of very many mistakes the first twenty are reported") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "frobnicate" + std::to_string(i) + " = 1\n";
  const auto loaded = load_text({.text = text});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().message == R"(helper.conf:1:1: unknown key "frobnicate0")");
  REQUIRE(loaded.error().also.size() == 20);
  CHECK(loaded.error().also.back().message == "helper.conf:21:1: this is wrong too, and there may be more");
}

TEST_CASE("every word of logrus is accepted as a log level, in any case") {
  const auto level = [](const std::string& word) { return read("log_level = \"" + word + "\"").log_level; };
  CHECK(level("warn") == log::Level::warning);
  CHECK(level("WARNING") == log::Level::warning);
  CHECK(level("trace") == log::Level::debug);
  CHECK(level("fatal") == log::Level::error);
  CHECK(level("Panic") == log::Level::error);
  const auto flag = must_load({.text = std::string(kFiles), .flags = {{"log_level", "Warn", "-log-level"}}});
  CHECK(flag.config.log_level == log::Level::warning);
  const auto variable =
      must_load({.text = std::string(kFiles), .environment = {{"SPIFFE_HLP_LOG_LEVEL", "trace"}}});
  CHECK(variable.config.log_level == log::Level::debug);
}

TEST_CASE("JSON documents bind: null counts as absent, blocks may be in a list") {
  const auto loaded = must_load({.text = R"({
  "svid_file_name": "a", "svid_key_file_name": "b", "svid_bundle_file_name": "c",
  "hint": null, "daemon_mode": null, "cert_file_mode": 420,
  "health_checks": [{"listener_enabled": true}],
  "jwt_svids": [{"jwt_audience": "a", "jwt_svid_file_name": "t"}]
})"});
  CHECK(loaded.config.hint.empty());
  CHECK(loaded.config.daemon_mode);
  CHECK(loaded.config.health_checks.listener_enabled);
  CHECK(loaded.config.jwt_svids.size() == 1);
}

TEST_CASE("every key can be set and read back") {
  std::string outputs;
  for (const output::Format& format : output::kFormats) {
    outputs += std::string(format.key) + " = \"out/" + std::string(format.key) + "\"\n";
  }
  const Config config = must_load({.text = outputs + R"(
hint = "db" verify = false layout = "in-place" create_cert_dir = true require_secure_dir = true
allow_core_dumps = true owner = "root" group = 0 key_owner = 5 key_group = "root" timeout = "1m30s"
log_level = "debug" log_format = "json" stop_signal = "SIGRTMIN+1" stop_timeout = "1.5s"
cmd = "nginx" cmd_mode = "wrap" on_rotate = "restart" restart = "on-failure" start_timeout = "1h"
notify_on = ["jwt", "x509"] renew_debounce = "1s" renew_splay = "2s" renew_signal_guard = false
renew_cmd = "nginx -s reload" renew_cmd_timeout = "5s" renew_cmd_once = true pid_file_name = "/run/x.pid"
prepare_cmd = ["make", "combined"] prepare_cmd_timeout = "6s" renew_cmd_at_start = true
renew_signal = "hup" pid_file_check = false subreaper = true config_reload_signal = "USR2" revoke = "remove"
revoke_after = "10s" key_format = "traditional" combined_order = "chain-first"
credential_folder_draft = "private-key"
keystore_password_file = "/run/password" keystore_legacy = true
jwt_svids = [{ jwt_audience = "a", jwt_svid_file_name = "t" }]
jwks_file_name = "jwks.json"
x509_svids = [{ hint = "web", dir = "web", bundle_map_file_name = "map.json" }]
health_checks { bind_address = "::1" unix_socket = "/h.sock" metrics_path = "/metrics" ready_includes_program = true }
)"})
                            .config;
  const Config defaults;
  // All values above must differ from the defaults if the key is not listed here.
  for (const Key& key : config_keys()) {
    const bool unset = key.name == "agent_address" || key.name == "spiffe_id" || key.name == "cert_dir" ||
                       key.name.starts_with("jwt_") || key.name == "cmd_args" ||
                       key.name == "stop_cmd_on_exit" ||  // not in wrap mode

                       key.name == "daemon_mode" || key.name.ends_with("_mode") ||
                       key.name.starts_with("health_checks.") || key.name.starts_with("start.") ||
                       key.name.starts_with("reload.") || key.name.starts_with("add_") ||
                       key.name.starts_with("include_") || key.name == "omit_expired";
    INFO(key.name);
    CHECK((unset || !key.show(&config).same_as(key.show(&defaults))));
  }
  CHECK(config.x509.names.size() == output::kFormats.size());
  CHECK(config.x509.names.at("svid_key_file_name") == "out/svid_key_file_name");
  CHECK(config.x509.options.key_format == output::KeyFormat::traditional);
  CHECK(config.x509.options.combined_order == output::CombinedOrder::chain_first);
  CHECK(config.x509.options.credential_folder_draft == output::CredentialFolderDraft::private_key);
  CHECK(config.renew_cmd == Strings{"nginx", "-s", "reload"});
  CHECK(config.prepare_cmd == Strings{"make", "combined"});
  CHECK(config.health_checks.ready_includes_program);
  CHECK(config.notify_on == std::vector{identity::Kind::jwt, identity::Kind::x509});
  CHECK_FALSE(read("stop_cmd_on_exit = false").stop_cmd_on_exit);
  CHECK(config.stop_signal == SIGRTMIN + 1);
  CHECK(config.stop_timeout == std::chrono::milliseconds(1500));
  CHECK(config.health_checks.metrics_path == "/metrics");
}

TEST_CASE("the effective configuration shows every key") {
  const Value shown = effective(read("key_owner = 5 stop_timeout = \"90s\" renew_signal = 1"));
  std::string text;
  for (const Entry& entry : shown.entries) {
    if (entry.key == "key_owner" || entry.key == "stop_timeout" || entry.key == "renew_signal" ||
        entry.key == "key_file_mode") {
      text += entry.key + "=" + entry.value.text + " ";
    }
  }
  CHECK(text == "key_file_mode=0600 key_owner=5 renew_signal=SIGHUP stop_timeout=1m30s ");
}

}  // namespace spiffe::config
