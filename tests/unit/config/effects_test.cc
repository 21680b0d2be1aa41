#include "config/effects.hh"

#include "config/schema.hh"
#include "support/catch.hh"
#include "unit/config/support.hh"

namespace spiffe::config {

using test::kFiles;
using test::must_load;
using test::warnings_of;
using Strings = std::vector<std::string>;

namespace {

constexpr std::string_view kTokens = "jwt_svids = [{ jwt_audience = \"a\", jwt_svid_file_name = \"t\" }]\n";

Strings warnings(std::string_view files, const std::string& text) {
  return warnings_of(must_load({.text = std::string(files) + text}));
}

struct Row {
  std::string_view files;
  const char* text;
  const char* warning;
};
constexpr Row kRows[] = {
    {kFiles, "renew_signal = \"HUP\"", "renew_signal has no effect without cmd or pid_file_name"},
    {kFiles, "cmd = \"true\", renew_signal = \"HUP\", on_rotate = \"none\"",
     "renew_signal has no effect without on_rotate = \"signal\" or pid_file_name"},
    {kFiles, "cmd_args = \"-x\"", "cmd_args has no effect without cmd"},
    {kFiles, "stop_signal = \"INT\"", "stop_signal has no effect without cmd"},
    {kFiles, "stop_timeout = \"5s\"", "stop_timeout has no effect without cmd"},
    {kFiles, "stop_cmd_on_exit = false", "stop_cmd_on_exit has no effect without cmd"},
    {kFiles, "start_timeout = \"5s\"", "start_timeout has no effect without cmd"},
    {kFiles, "cmd = \"true\", renew_signal_guard = true",
     "renew_signal_guard has no effect without cmd and renew_signal"},
    {kFiles, "renew_debounce = \"1s\"",
     "renew_debounce has no effect without cmd, pid_file_name, renew_cmd or prepare_cmd"},
    {kFiles, "renew_splay = \"1s\"",
     "renew_splay has no effect without cmd, pid_file_name, renew_cmd or prepare_cmd"},
    {"jwt_bundle_file_name = \"b\"\njwt_svids = [{ jwt_audience = \"a\", jwt_svid_file_name = \"t\" }]\n",
     "notify_on = [\"bundle\"]",
     "notify_on has no effect without cmd, pid_file_name, renew_cmd or prepare_cmd"},
    {kFiles, "renew_cmd = \"true\", daemon_mode = false",
     "renew_cmd has no effect without daemon_mode = true or renew_cmd_once = true"},
    {kFiles, "renew_cmd_timeout = \"1s\"", "renew_cmd_timeout has no effect without renew_cmd"},
    {kFiles, "prepare_cmd_timeout = \"1s\"",
     "prepare_cmd_timeout has no effect without prepare_cmd or reload.cmd"},
    {kFiles, "renew_cmd = \"true\", renew_cmd_at_start = true",
     "renew_cmd_at_start has no effect without cmd and renew_cmd"},
    {kFiles, "health_checks { listener_enabled = true, ready_includes_program = true }",
     "health_checks.ready_includes_program has no effect without cmd, pid_file_name, renew_cmd or "
     "prepare_cmd"},
    {kFiles, "renew_cmd_once = true", "renew_cmd_once has no effect without renew_cmd"},
    {kFiles, "pid_file_check = false", "pid_file_check has no effect without pid_file_name"},
    {kFiles, "subreaper = true", "subreaper has no effect without cmd or renew_cmd"},
    {kFiles, "revoke_after = \"1s\"", "revoke_after has no effect without revoke = \"remove\""},
    {kFiles, "revoke = \"remove\", daemon_mode = false", "revoke has no effect without daemon_mode = true"},
    {kTokens, "revoke = \"remove\"", "revoke has no effect without an X.509 output such as svid_file_name"},
    {"jwt_bundle_file_name = \"b\"\n", "hint = \"web\"",
     "hint has no effect without an X.509 output such as svid_file_name"},
    {kTokens, "include_federated_domains = true",
     "include_federated_domains has no effect without an X.509 output such as svid_file_name"},
    {kTokens, "key_group = 5", "key_group has no effect without an X.509 output such as svid_file_name"},
    {kFiles, "keystore_password_file = \"/p\"",
     "keystore_password_file has no effect without svid_keystore_file_name or truststore_file_name"},
    {kFiles, "keystore_legacy = true",
     "keystore_legacy has no effect without svid_keystore_file_name or truststore_file_name"},
    {kTokens, "key_format = \"sec1\"",
     "key_format has no effect without svid_key_file_name or svid_combined_file_name"},
    {kFiles, "combined_order = \"chain-first\"",
     "combined_order has no effect without svid_combined_file_name"},
    {kFiles, "credential_folder_draft = \"plain\"",
     "credential_folder_draft has no effect without credential_folder"},
    {kFiles, "jwt_svid_file_mode = 0644", "jwt_svid_file_mode has no effect without jwt_svids"},
    {kFiles, "jwt_bundle_file_mode = 0644",
     "jwt_bundle_file_mode has no effect without jwt_bundle_file_name or jwks_file_name"},
    {kFiles, "health_checks { bind_port = 8080 }",
     "health_checks has no effect without listener_enabled = true"},
    {kFiles, "health_checks { listener_enabled = true }, daemon_mode = false",
     "health_checks.listener_enabled has no effect without daemon_mode = true"},
};
}  // namespace

TEST_CASE("a key without effect is a warning that names the missing key") {
  for (const Row& row : kRows) {
    INFO(row.text);
    const Strings found = warnings(row.files, row.text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].ends_with(std::string(" | ") + row.warning));
    CHECK(found[0].starts_with("helper.conf:"));
  }
}

TEST_CASE("a key that has an effect, or its default value, is not a warning") {
  const auto quiet = [](std::string_view files, const std::string& text) {
    INFO(text);
    CHECK(warnings(files, text) == Strings{});
  };
  // These are empty in the Go helper's own example.
  quiet(kFiles, R"(cmd = "" cmd_args = "" renew_signal = "" pid_file_name = "")");
  quiet(kFiles, R"(stop_timeout = "10s" stop_signal = "TERM" renew_cmd_once = false omit_expired = false)");
  quiet(kFiles,
        R"(cmd = "true" cmd_args = "-x" renew_signal = "HUP" stop_signal = "INT" stop_timeout = "1s")");
  quiet(kFiles, R"(pid_file_name = "/p" renew_signal = "HUP" pid_file_check = false renew_splay = "1s")");
  quiet(kFiles, R"(renew_cmd = "true" renew_cmd_timeout = "1s" renew_debounce = "1s" notify_on = ["x509"])");
  quiet(kFiles, R"(daemon_mode = false renew_cmd = "true" renew_cmd_once = true)");
  quiet(kFiles, R"(on_rotate = "none" notify_on = ["x509"])");
  quiet(kFiles, R"(revoke = "remove" revoke_after = "1s" hint = "web" key_file_mode = 0640)");
  quiet(kFiles, R"(key_format = "traditional" combined_order = "key-first")");
  quiet("svid_combined_file_name = \"c\"\n",
        R"(key_format = "sec1" combined_order = "chain-first" revoke = "remove")");
  quiet("credential_folder = \"c\"\n", R"(credential_folder_draft = "plain")");
  quiet(kFiles, R"(svid_keystore_file_name = "k.p12" keystore_password_file = "/p" keystore_legacy = true)");
  quiet("", R"(truststore_file_name = "t.p12" keystore_password_file = "/p" omit_expired = true)");
  quiet(kTokens, R"(hint = "web" jwt_svid_file_mode = 0640)");
  quiet(
      "jwks_file_name = \"k\"\n",
      R"(spiffe_id = "spiffe://example.org/gateway" jwt_bundle_file_mode = 0644 cmd = "true" notify_on = ["bundle"])");
  quiet(kFiles, "health_checks { listener_enabled = false, bind_port = 8080 }");
  quiet(kFiles, "health_checks { listener_enabled = true, bind_port = 8080 }");
  quiet(kFiles, "health_checks {}");
}

TEST_CASE("a key without effect is reported where it was given") {
  const auto loaded = must_load({.text = std::string(kFiles),
                                 .environment = {{"SPIFFE_HLP_STOP_SIGNAL", "INT"}},
                                 .flags = {{"renew_signal", "HUP", "-renew-signal"},
                                           {"health_checks.bind_port", "80", "-health-checks-bind-port"}}});
  CHECK(warnings_of(loaded) ==
        Strings{"-renew-signal | renew_signal has no effect without cmd or pid_file_name",
                "SPIFFE_HLP_STOP_SIGNAL | stop_signal has no effect without cmd",
                "-health-checks-bind-port | health_checks has no effect without listener_enabled = true"});
  for (const Warning& warning : loaded.warnings) CHECK(warning.hint == "set what it needs, or remove it");
}

TEST_CASE("a key given twice is a warning with both places") {
  CHECK(
      warnings("", "cert_dir = \"a\"\n" + std::string(kFiles) + "  cert_dir = \"b\"\n") ==
      Strings{
          "helper.conf:5:3 | cert_dir is given twice: the value here counts, the one at helper.conf:1:1 does "
          "not"});
  CHECK(warnings(kFiles,
                 "health_checks { listener_enabled = true }\nhealth_checks { listener_enabled = false }\n") ==
        Strings{"helper.conf:5:17 | health_checks.listener_enabled is given twice: the value here counts, "
                "the one at "
                "helper.conf:4:17 does not"});
  CHECK(
      warnings(kFiles,
               "jwt_svids = [{ jwt_audience = \"a\", jwt_audience = \"b\", jwt_svid_file_name = \"t\" }]") ==
      Strings{
          "helper.conf:4:36 | jwt_svids[0].jwt_audience is given twice: the value here counts, the one at "
          "helper.conf:4:16 does not"});
  // Lists are appended, and a flag is meant to override the file.
  CHECK(warnings(kFiles, std::string(kTokens) +
                             "jwt_svids = [{ jwt_audience = \"b\", jwt_svid_file_name = \"u\" }]") ==
        Strings{});
  const auto flag = must_load({.text = std::string(kFiles) + "cert_dir = \"a\"\n",
                               .flags = {{"cert_dir", "b", "-cert-dir"}, {"cert_dir", "c", "-cert-dir"}}});
  CHECK(warnings_of(flag) == Strings{});
}

TEST_CASE("single quotes in cmd_args are a warning that shows the equivalent list") {
  const auto args = [](const std::string& value) {
    return warnings(kFiles, "cmd = \"x\"\ncmd_args = \"" + value + "\"\n");
  };
  const auto advice = [](const std::string& list) {
    return Strings{
        "helper.conf:5:12 | cmd_args: single quotes do not quote, the program gets them; write it as the "
        "list " +
        list};
  };
  CHECK(args("-g 'daemon off;'") == advice(R"(["-g", "daemon off;"])"));
  CHECK(args("-c 'one'") == advice(R"(["-c", "one"])"));

  CHECK(args("it's o'clock") == Strings{});
  CHECK(args("-c 'never closed") == Strings{});
  CHECK(args("-x ' y") == Strings{});
  CHECK(args("-g \\\"daemon off;\\\"") == Strings{});
  CHECK(warnings(kFiles, "cmd = \"x\"\ncmd_args = [\"-g\", \"'daemon off;'\"]\n") == Strings{});
  CHECK(warnings(kFiles, "renew_cmd = \"sh -c 'nginx -s reload'\"\n") ==
        Strings{"helper.conf:4:13 | renew_cmd: single quotes do not quote, the program gets them; write it "
                "as the list "
                R"(["sh", "-c", "nginx -s reload"])"});
}

TEST_CASE("a key without effect in an entry of x509_svids is named with the entry") {
  const auto of = [](const std::string& keys) {
    return warnings(
        "", "x509_svids = [{ hint = \"a\", dir = \"a\", bundle_map_file_name = \"m\", " + keys + " }]\n");
  };
  CHECK(of("renew_cmd = \"true\"") == Strings{});
  CHECK(of("renew_signal = \"HUP\"") ==
        Strings{"helper.conf:1:68 | x509_svids[0].renew_signal has no effect without pid_file_name"});
  CHECK(of("combined_order = \"chain-first\"") ==
        Strings{
            "helper.conf:1:68 | x509_svids[0].combined_order has no effect without svid_combined_file_name"});
  CHECK(warnings("x509_svids = [{ hint = \"a\", dir = \"a\", bundle_map_file_name = \"m\" }]\n",
                 "omit_expired = true\n")
            .size() == 1);
  CHECK(warnings(
            "x509_svids = [{ hint = \"a\", dir = \"a\", bundle_map_file_name = \"m\", renew_cmd = \"x\" }]\n",
            "renew_cmd_timeout = \"5s\"\nkey_file_mode = 0640\n") == Strings{});
}

}  // namespace spiffe::config
