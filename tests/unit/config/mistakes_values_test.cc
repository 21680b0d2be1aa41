// Mistakes in values, and between keys, each with its whole message and hint.
#include "support/catch.hh"
#include "unit/config/support.hh"

using spiffe::config::test::check_mistakes;
using spiffe::config::test::Mistake;

namespace {

// clang-format off
constexpr Mistake kValues[] = {
    {"a list of password files",
     "helper.conf", R"(keystore_password_file = ["a"])",
     "helper.conf:1:26: keystore_password_file must be a string, not a list",
     ""},
    {"a switch in words",
     "helper.conf", R"(keystore_legacy = "maybe")",
     R"(helper.conf:1:19: keystore_legacy must be true or false, not the string "maybe")",
     ""},
    {"a mode in letters",
     "helper.conf", R"(cert_file_mode = "rw-r--r--")",
     R"(helper.conf:1:18: cert_file_mode must be a file mode such as 0644, not the string "rw-r--r--")",
     ""},
    {"a mode below zero",
     "helper.conf", "cert_file_mode = -1",
     "helper.conf:1:18: cert_file_mode must not be negative: -1",
     ""},
    {"a mode that is not octal",
     "helper.conf", "cert_file_mode = 0849",
     "helper.conf:1:18: cert_file_mode must be a file mode such as 0644, not the number 0849",
     ""},
    {"a key that a guess would open to others",
     "helper.conf", "key_file_mode = 444",
     "helper.conf:1:17: key_file_mode = 444 is read as 0444, which gives others access to the key",
     "write 0440, or 0444 if that is meant"},
    {"a key that a decimal mode would open to others",
     "helper.conf", "key_file_mode = 420",
     "helper.conf:1:17: key_file_mode = 420 is read as 0644, which gives others access to the key",
     "write 0640, or 0644 if that is meant"},
    {"a mode without a bit for anybody",
     "helper.conf", "cert_file_mode = 01000",
     "helper.conf:1:18: cert_file_mode = 01000 gives nobody access",
     ""},
    {"a signal that does not exist",
     "helper.conf", R"(renew_signal = "SIGHUPP")",
     R"(helper.conf:1:16: renew_signal must be a signal such as SIGHUP, HUP, 1 or SIGRTMIN+3, not the string "SIGHUPP")",
     ""},
    {"a signal number that does not exist",
     "helper.conf", "renew_signal = 99",
     "helper.conf:1:16: renew_signal must be a signal such as SIGHUP, HUP, 1 or SIGRTMIN+3, not the number 99",
     ""},
    {"a duration without a unit",
     "helper.conf", "stop_timeout = 30",
     R"(helper.conf:1:16: stop_timeout "30" has no unit)",
     R"(write "30s" for seconds)"},
    {"a duration in days",
     "helper.conf", R"(stop_timeout = "1d")",
     R"(helper.conf:1:16: stop_timeout "1d" has the unknown unit "d")",
     "units are ns, us, ms, s, m and h"},
    {"a duration that is none",
     "helper.conf", R"(stop_timeout = "soon")",
     R"(helper.conf:1:16: stop_timeout "soon" is not a duration)",
     ""},
    {"a negative duration",
     "helper.conf", R"(timeout = "-1s")",
     "helper.conf:1:11: timeout must not be negative: -1s",
     ""},
    {"a stop_timeout of 0",
     "helper.conf", R"(stop_timeout = "0")",
     "helper.conf:1:16: stop_timeout must be longer than 0",
     ""},
    {"a layout that does not exist",
     "helper.conf", R"(layout = "snapshots")",
     R"(helper.conf:1:10: layout must be snapshot, files or in-place, not the string "snapshots"; did you mean "snapshot"?)",
     ""},
    {"a key format that does not exist",
     "helper.conf", R"(key_format = "pkcs12")",
     R"(helper.conf:1:14: key_format must be pkcs8, sec1, pkcs1 or traditional, not the string "pkcs12"; did you mean "pkcs1"?)",
     ""},
    {"an order of the combined file that does not exist",
     "helper.conf", R"(combined_order = "cert-first")",
     R"(helper.conf:1:18: combined_order must be key-first or chain-first, not the string "cert-first"; did you mean "key-first"?)",
     ""},
    {"a log level that does not exist",
     "helper.conf", R"(log_level = "verbose")",
     R"(helper.conf:1:13: log_level must be debug, info, warning or error, not the string "verbose")",
     ""},
    {"a user that does not exist",
     "helper.conf", R"(owner = "no-such-user")",
     R"(helper.conf:1:9: owner: no user is called "no-such-user" in /etc/passwd)",
     "use the number, or a name that /etc/passwd lists"},
    {"a group that does not exist",
     "helper.conf", R"(key_group = "no-such-group")",
     R"(helper.conf:1:13: key_group: no group is called "no-such-group" in /etc/group)",
     "use the number, or a name that /etc/group lists"},
    {"a port too large",
     "helper.conf", "health_checks {\n"
     "  bind_port = 80810\n"
     "}\n",
     "helper.conf:2:15: health_checks.bind_port must be a port from 1 to 65535, not the number 80810",
     ""},
    {"a port that is no number",
     "helper.conf", "health_checks {\n"
     "  bind_port = \"http\"\n"
     "}\n",
     R"(helper.conf:2:15: health_checks.bind_port must be a port from 1 to 65535, not the string "http")",
     ""},
    {"a quote in the middle of an argument",
     "helper.conf", R"(cmd_args = "-c echo\"x\"")",
     "helper.conf:1:12: cmd_args has a quote inside an unquoted argument at column 8",
     "quote the whole argument and double the quotes inside it, or give a list of strings"},
    {"text behind a closing quote",
     "helper.conf", R"(cmd_args = "\"a\"b")",
     "helper.conf:1:12: cmd_args has text behind a closing quote at column 4",
     "quote the whole argument and double the quotes inside it, or give a list of strings"},
    {"an argument whose quote is not closed",
     "helper.conf", R"(cmd_args = "-c \"a b")",
     "helper.conf:1:12: cmd_args has a quote that is never closed at column 4",
     "quote the whole argument and double the quotes inside it, or give a list of strings"},
    {"a path with a NUL byte",
     "helper.conf", R"(cert_dir = "a\x00b")",
     "helper.conf:1:12: cert_dir may not hold a NUL byte",
     ""},
    {"a host name in agent_address",
     "helper.conf", R"(agent_address = "tcp://agent:8081")",
     R"(helper.conf:1:17: agent_address: address "tcp://agent:8081": the host must be an IP address, not a name)",
     "write unix:///path/to/agent.sock or tcp://IP:port"},
    {"a scheme that is not supported",
     "helper.conf", R"(agent_address = "https://127.0.0.1:8081")",
     R"(helper.conf:1:17: agent_address: address "https://127.0.0.1:8081": the scheme must be unix or tcp, not https)",
     "write unix:///path/to/agent.sock or tcp://IP:port"},
    {"a SPIFFE ID of another scheme",
     "helper.conf", R"(spiffe_id = "http://example.org/db")",
     R"(helper.conf:1:13: spiffe_id: invalid SPIFFE ID "http://example.org/db": the scheme must be spiffe)",
     ""},
    {"a SPIFFE ID in capitals",
     "helper.conf", R"(spiffe_id = "spiffe://Example.org/db")",
     R"(helper.conf:1:13: spiffe_id: invalid SPIFFE ID "spiffe://Example.org/db": the trust domain must be lower-case)",
     ""},
    {"a relative unix URI",
     "helper.conf", R"(agent_address = "unix://run/agent.sock")",
     R"(helper.conf:1:17: agent_address: address "unix://run/agent.sock": a unix address has no authority: the path begins with a third slash)",
     "write unix:///path/to/agent.sock or tcp://IP:port"},
};
// clang-format on

// clang-format off
constexpr Mistake kRules[] = {
    {"nothing to write",
     "helper.conf", R"(cert_dir = "certs")",
     "helper.conf: no output is configured: set svid_file_name, svid_key_file_name and svid_bundle_file_name together, or jwt_svids, jwt_bundle_file_name or jwks_file_name",
     ""},
    {"one of three file names is missing",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
)",
     "helper.conf:1:18: svid_file_name is set, but svid_bundle_file_name is not",
     "set all of svid_file_name, svid_key_file_name and svid_bundle_file_name, or none"},
    {"two of three file names are missing",
     "helper.conf", R"(svid_key_file_name = "key.pem")",
     "helper.conf:1:22: svid_key_file_name is set, but svid_file_name and svid_bundle_file_name are not",
     "set all of svid_file_name, svid_key_file_name and svid_bundle_file_name, or none"},
    {"two outputs of one name",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "./svid.pem"
svid_bundle_file_name = "bundle.pem"
)",
     R"(helper.conf:2:22: svid_file_name and svid_key_file_name are the same file, "svid.pem")",
     ""},
    {"a password file that would be overwritten",
     "helper.conf", R"(cert_dir = "/certs"
truststore_file_name = "t.p12"
keystore_password_file = "/certs/t.p12"
)",
     R"(helper.conf:3:26: keystore_password_file and truststore_file_name are the same file, "/certs/t.p12")",
     ""},
    {"a file below a file",
     "helper.conf", R"(svid_file_name = "svid"
svid_key_file_name = "svid/key.pem"
svid_bundle_file_name = "bundle.pem"
)",
     "helper.conf:2:22: svid_key_file_name lies below svid_file_name, which is a file",
     ""},
    {"a file around a file",
     "helper.conf", R"(svid_file_name = "a/b/svid.pem"
svid_key_file_name = "a/b-key.pem"
svid_bundle_file_name = "a"
)",
     "helper.conf:3:25: svid_key_file_name lies below svid_bundle_file_name, which is a file",
     ""},
    {"a file two levels below a file",
     "helper.conf", R"(svid_file_name = "a"
svid_key_file_name = "a-key.pem"
svid_bundle_file_name = "a/b/c"
)",
     "helper.conf:3:25: svid_bundle_file_name lies below svid_file_name, which is a file",
     ""},
    {"a name that leads out of cert_dir",
     "helper.conf", R"(svid_file_name = "a/../../svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
)",
     R"(helper.conf:1:18: svid_file_name "a/../../svid.pem" leads out of cert_dir)",
     ""},
    {"a name that the helper needs itself",
     "helper.conf", R"(svid_file_name = "..data/svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
)",
     R"(helper.conf:1:18: svid_file_name "..data/svid.pem": names that begin with ".." are the helper's own)",
     ""},
    {"a name that is no name",
     "helper.conf", R"(svid_file_name = "."
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
)",
     R"(helper.conf:1:18: svid_file_name "." names no file)",
     ""},
    {"hint and spiffe_id",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
hint = "db"
spiffe_id = "spiffe://example.org/db"
)",
     "helper.conf:5:13: hint and spiffe_id are both set: use one of them",
     ""},
    {"pid_file_name without renew_signal",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
pid_file_name = "/run/nginx.pid"
)",
     "helper.conf:4:17: pid_file_name needs renew_signal, the signal to send",
     R"(set renew_signal, as in renew_signal = "SIGHUP")"},
    {"pid_file_name in one-shot mode",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
daemon_mode = false
pid_file_name = "/run/nginx.pid"
)",
     "helper.conf:5:17: pid_file_name works in daemon mode only, and daemon_mode is false",
     R"(add -pid-file-name= to the command line, or remove the key; renew_cmd with renew_cmd_once = true notifies a process once)"},
    {"wrap mode without a command",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
cmd_mode = "wrap"
)",
     R"(helper.conf:4:12: cmd_mode is "wrap", but cmd is not set)",
     R"(set cmd, or give the command behind --)"},
    {"wrap mode in one-shot",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
cmd = "true"
cmd_mode = "wrap"
daemon_mode = false
)",
     R"(helper.conf:6:15: a wrapped command needs daemon mode, and daemon_mode is false)",
     R"(remove daemon_mode = false, or remove the command and start it after the helper: spiffe-helper -daemon-mode=false && COMMAND)"},
    {"a wrapped command that is to be left",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
cmd = "true"
cmd_mode = "wrap"
stop_cmd_on_exit = false
)",
     R"(helper.conf:6:20: stop_cmd_on_exit = false is for cmd_mode = "job" only)",
     R"(set cmd and cmd_args in place of a command after --, with cmd_mode = "job"; or leave stop_cmd_on_exit at true)"},
    {"a signal on rotation without one",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
cmd = "true"
on_rotate = "signal"
)",
     R"(helper.conf:5:13: on_rotate is "signal", but renew_signal is not set)",
     R"(set renew_signal, or on_rotate = "restart" if no signal makes the program reload)"},
    {"on_rotate without a command",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
on_rotate = "restart"
)",
     R"(helper.conf:4:13: on_rotate is "restart", but cmd is not set)",
     R"(set cmd, or give the command behind --; renew_cmd runs a command at every rotation)"},
    {"a reload signal that ends the helper",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
config_reload_signal = "SIGTERM"
)",
     R"(helper.conf:4:24: config_reload_signal may not be a signal that has another meaning for the helper)",
     R"(SIGHUP, SIGUSR1 and SIGUSR2 are usual)"},
    {"news of what is not configured",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
notify_on = ["x509", "jwt"]
)",
     R"(helper.conf:4:13: notify_on has "jwt", but no such file is configured)",
     R"(set jwt_svids, or leave it out of notify_on)"},
    {"a combined file in the place of the key",
     "helper.conf", R"(svid_file_name = "svid.pem"
svid_key_file_name = "key.pem"
svid_bundle_file_name = "bundle.pem"
svid_combined_file_name = "./key.pem"
)",
     R"(helper.conf:4:27: svid_key_file_name and svid_combined_file_name are the same file, "key.pem")",
     ""},
    {"an entry of jwt_svids without a file",
     "helper.conf", R"(jwt_svids = [
  { jwt_audience = "db" }
]
)",
     "helper.conf:2:3: jwt_svids[0] needs jwt_svid_file_name",
     ""},
    {"an entry of jwt_svids without an audience",
     "helper.conf", "jwt_svids {\n"
     "  jwt_svid_file_name = \"db.token\"\n"
     "}\n",
     "helper.conf:1:1: jwt_svids[0] needs jwt_audience",
     ""},
    {"equal health paths",
     "helper.conf", "svid_file_name = \"svid.pem\"\n"
     "svid_key_file_name = \"key.pem\"\n"
     "svid_bundle_file_name = \"bundle.pem\"\n"
     "health_checks {\n"
     "  listener_enabled = true\n"
     "  readiness_path = \"/live\"\n"
     "}\n",
     R"(helper.conf:6:20: health_checks.liveness_path and health_checks.readiness_path are both "/live")",
     ""},
    {"a health path without a slash",
     "helper.conf", "svid_file_name = \"svid.pem\"\n"
     "svid_key_file_name = \"key.pem\"\n"
     "svid_bundle_file_name = \"bundle.pem\"\n"
     "health_checks {\n"
     "  listener_enabled = true\n"
     "  liveness_path = \"live\"\n"
     "}\n",
     R"(helper.conf:6:19: health_checks.liveness_path must begin with /, not "live")",
     ""},
    {"a bind_address that is a name",
     "helper.conf", "svid_file_name = \"svid.pem\"\n"
     "svid_key_file_name = \"key.pem\"\n"
     "svid_bundle_file_name = \"bundle.pem\"\n"
     "health_checks {\n"
     "  bind_address = \"localhost\"\n"
     "}\n",
     R"(helper.conf:5:18: health_checks.bind_address must be an IP address, not "localhost")",
     ""},
};
// clang-format on

}  // namespace

TEST_CASE("an invalid value is refused with a valid alternative") {
  check_mistakes(kValues);
}
TEST_CASE("keys that exclude each other are named") {
  check_mistakes(kRules);
}
