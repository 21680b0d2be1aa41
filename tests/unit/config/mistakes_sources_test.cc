// Mistakes in JSON and TOML documents, variables and flags, each with its whole message and hint.
#include "support/catch.hh"
#include "unit/config/support.hh"

using spiffe::config::test::check_mistaken_settings;
using spiffe::config::test::check_mistakes;
using spiffe::config::test::Mistake;
using spiffe::config::test::MistakenSetting;

namespace {

// clang-format off
constexpr Mistake kJson[] = {
    {"JSON: no comma",
     "helper.json", "{\n"
     "  \"cert_dir\": \"certs\"\n"
     "  \"hint\": \"a\"\n"
     "}\n",
     R"(helper.json:3:3: expected "," or "}" in an object, found a string)",
     ""},
    {"JSON: no quotes around a key",
     "helper.json", R"({ cert_dir: "certs" })",
     R"(helper.json:1:3: expected a key in double quotes, found "c")",
     ""},
    {"JSON: single quotes",
     "helper.json", R"({ "cert_dir": 'certs' })",
     R"(helper.json:1:15: expected a JSON value, found "'")",
     "strings need double quotes"},
    {"JSON: an octal number",
     "helper.json", R"({ "cert_file_mode": 0644 })",
     "helper.json:1:21: 0644 is not a JSON number: it begins with 0",
     R"(write the string "0644")"},
    {"JSON: a number that is none",
     "helper.json", R"({ "cert_file_mode": 1.e })",
     R"(helper.json:1:21: "1.e" is not a JSON number)",
     ""},
    {"JSON: a brace is missing",
     "helper.json", R"({ "cert_dir": "certs")",
     R"(helper.json:1:1: this "{" is never closed)",
     ""},
    {"JSON: something behind the document",
     "helper.json", R"({ "cert_dir": "certs" } })",
     R"(helper.json:1:25: expected the end of the JSON document, found "}")",
     ""},
    {"JSON: an unknown key",
     "helper.json", R"({ "cert_dirr": "certs" })",
     R"(helper.json:1:3: unknown key "cert_dirr"; did you mean "cert_dir"?)",
     ""},
    {"JSON: an escape that JSON has not",
     "helper.json", R"({ "cert_dir": "\x41" })",
     R"(helper.json:1:16: unknown escape "\\x")",
     R"(write \\ for a backslash)"},
    {"JSON: half a surrogate pair",
     "helper.json", R"({ "hint": "\ud83d" })",
     "helper.json:1:12: half of a surrogate pair",
     ""},
    {"JSON: a comment",
     "helper.json", "{\n"
     "  // notes\n"
     "  \"cert_dir\": \"certs\"\n"
     "}\n",
     R"(helper.json:2:3: expected a key in double quotes, found "/")",
     ""},
    {"JSON: a control character in a string",
     "helper.json", "{ \"cert_dir\": \"a\tb\" }",
     R"(helper.json:1:17: a JSON string may not hold the control character "\t")",
     "write it as an escape"},
};
// clang-format on

// clang-format off
constexpr Mistake kToml[] = {
    {"a bare word in TOML",
     "helper.toml", "cmd = sleep",
     R"(helper.toml:1:7: expected a value, found "sleep")",
     R"(strings need double quotes: "sleep")"},
    {"a path without quotes in TOML",
     "helper.toml", "agent_address = unix:///run/agent.sock",
     R"(helper.toml:1:17: expected a value, found "unix:///run/agent.sock")",
     R"(strings need double quotes: "unix:///run/agent.sock")"},
    {"a duration without quotes in TOML",
     "helper.toml", "stop_timeout = 1m30s",
     R"(helper.toml:1:17: "1m30s" is not a number)",
     R"(if it is a string, write "1m30s")"},
    {"a heredoc in TOML",
     "helper.toml", "cmd_args = <<EOF\n"
     "-c\n"
     "EOF\n",
     "helper.toml:1:12: error while parsing value: could not determine value type; this looks like HCL, and is read as TOML",
     "rename the file to *.conf, or add -config-format hcl"},
    {"a boolean of another language in TOML",
     "helper.toml", "omit_expired = True",
     R"(helper.toml:1:16: expected a value, found "True")",
     "write true"},
    {"an octal number of another language in TOML",
     "helper.toml", "cert_file_mode = 0640",
     "helper.toml:1:22: 0640 is not a TOML number: it begins with 0",
     R"(write "0640", or 0o640)"},
    {"a key twice in TOML",
     "helper.toml", "cmd = \"a\"\n"
     "cmd = \"b\"\n",
     "helper.toml:2:7: error while parsing key-value pair: cannot redefine existing string 'cmd'",
     "TOML takes a key once"},
    {"a nest in TOML",
     "helper.toml", "cmd = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     "helper.toml:1:71: more than 64 levels deep",
     ""},
    {"a dotted key in HCL",
     "helper.conf", "health_checks.bind_port = 8081",
     R"(helper.conf:1:1: unknown key "health_checks.bind_port": it belongs in health_checks)",
     ""},
    {"TOML: an unknown key",
     "helper.toml", R"(cert_dirr = "certs")",
     R"(helper.toml:1:1: unknown key "cert_dirr"; did you mean "cert_dir"?)",
     ""},
    {"TOML: an unknown key in a list of tables",
     "helper.toml", R"([[jwt_svids]]
jwt_audiense = "db"
)",
     R"(helper.toml:2:1: unknown key "jwt_audiense" in jwt_svids[0]; did you mean "jwt_audience"?)",
     ""},
    {"TOML: a string for a boolean",
     "helper.toml", R"(omit_expired = "true")",
     R"(helper.toml:1:16: omit_expired must be true or false, not the string "true")",
     "leave out the quotes"},
    {"TOML: a key that a guess would open to others",
     "helper.toml", "key_file_mode = 644",
     "helper.toml:1:17: key_file_mode = 644 is read as 0644, which gives others access to the key",
     "write 0o640, or 0o644 if that is meant"},
    {"TOML: a date",
     "helper.toml", "hint = 2026-01-02",
     "helper.toml:1:8: no key takes a date or a time",
     "if it is a string, quote it"},
    {"TOML: a plain table for a list of tables",
     "helper.toml", R"(jwt_svids = "db")",
     R"(helper.toml:1:13: jwt_svids must be a list of objects, not the string "db")",
     ""},
    {"TOML: one of three file names is missing",
     "helper.toml", R"(svid_file_name = "svid.pem"
svid_bundle_file_name = "bundle.pem"
)",
     "helper.toml:1:18: svid_file_name is set, but svid_key_file_name is not",
     "set all of svid_file_name, svid_key_file_name and svid_bundle_file_name, or none"},
};
// clang-format on

// A good file beside one bad variable or flag: name, key (of flags), value.
// clang-format off
constexpr MistakenSetting kSettings[] = {
    {"variable: a boolean that is none",
     "SPIFFE_HLP_OMIT_EXPIRED", "", "maybe",
     R"(SPIFFE_HLP_OMIT_EXPIRED: omit_expired must be true or false, not the string "maybe")",
     ""},
    {"variable: a mode in letters",
     "SPIFFE_HLP_CERT_FILE_MODE", "", "rw",
     R"(SPIFFE_HLP_CERT_FILE_MODE: cert_file_mode must be a file mode such as "0644", not the string "rw")",
     ""},
    {"variable: a list that is neither JSON nor YAML",
     "SPIFFE_HLP_JWT_SVIDS", "", "db",
     "SPIFFE_HLP_JWT_SVIDS: jwt_svids must be a list in JSON or YAML",
     R"(write it as [{"key": "value"}])"},
    {"variable: JSON that is broken",
     "SPIFFE_HLP_JWT_SVIDS", "", R"([{"jwt_audience" "db"}])",
     R"(SPIFFE_HLP_JWT_SVIDS:1:18: expected ":" after "jwt_audience", found a string)",
     ""},
    {"variable: an unknown key in JSON",
     "SPIFFE_HLP_JWT_SVIDS", "", R"([{"jwt_audiense": "db"}])",
     R"(SPIFFE_HLP_JWT_SVIDS:1:3: unknown key "jwt_audiense" in jwt_svids[0]; did you mean "jwt_audience"?)",
     ""},
    {"variable: an address of health checks that is none",
     "SPIFFE_HLP_HEALTH_CHECKS_BIND_ADDRESS", "", "localhost",
     R"(SPIFFE_HLP_HEALTH_CHECKS_BIND_ADDRESS: health_checks.bind_address must be an IP address, not "localhost")",
     ""},
    {"variable: the address of the agent",
     "SPIFFE_ENDPOINT_SOCKET", "", "unix:agent.sock",
     R"(SPIFFE_ENDPOINT_SOCKET: address "unix:agent.sock": the path of a unix address must be absolute)",
     "write unix:///path/to/agent.sock or tcp://IP:port"},
    {"variable: a list of addresses without one that is supported",
     "SPIFFE_ENDPOINT", "", "https://a,ftp://b",
     R"(SPIFFE_ENDPOINT: address "https://a,ftp://b": none of its entries has the scheme unix or tcp)",
     "write unix:///path/to/agent.sock or tcp://IP:port"},
    {"variable: a name that collides with one of the file",
     "SPIFFE_HLP_SVID_FILE_NAME", "", "key.pem",
     R"(helper.conf:2:22: svid_file_name and svid_key_file_name are the same file, "key.pem")",
     ""},
    {"flag: a duration without a unit",
     "-stop-timeout", "stop_timeout", "30",
     R"(-stop-timeout: stop_timeout "30" has no unit)",
     R"(write "30s" for seconds)"},
    {"flag: a signal that does not exist",
     "--renew-signal", "renew_signal", "HUPP",
     R"(--renew-signal: renew_signal must be a signal such as SIGHUP, HUP, 1 or SIGRTMIN+3, not the string "HUPP")",
     ""},
    {"flag: a boolean that is none",
     "-verify", "verify", "perhaps",
     R"(-verify: verify must be true or false, not the string "perhaps")",
     ""},
    {"flag: a name that leads out of cert_dir",
     "-svid-file-name", "svid_file_name", "../svid.pem",
     R"(-svid-file-name: svid_file_name "../svid.pem" leads out of cert_dir)",
     ""},
};
// clang-format on

}  // namespace

TEST_CASE("a mistake in JSON names its place") {
  check_mistakes(kJson);
}
TEST_CASE("a mistake in TOML names its place") {
  check_mistakes(kToml);
}
TEST_CASE("a mistake in a variable or flag names it") {
  check_mistaken_settings(kSettings);
}
