// Mistakes in spelling, syntax and types of HCL, each with its whole message and hint.
#include "support/catch.hh"
#include "unit/config/support.hh"

using spiffe::config::test::check_mistakes;
using spiffe::config::test::Mistake;

namespace {

// clang-format off
constexpr Mistake kSpelling[] = {
    {"a typo in a key",
     "helper.conf", R"(cert_dirr = "certs")",
     R"(helper.conf:1:1: unknown key "cert_dirr"; did you mean "cert_dir"?)",
     ""},
    {"a key of another name altogether",
     "helper.conf", R"(
  frobnicate = 1
)",
     R"(helper.conf:2:3: unknown key "frobnicate")",
     ""},
    {"a key of health_checks outside of it",
     "helper.conf", "bind_port = 8081",
     R"(helper.conf:1:1: unknown key "bind_port": it belongs in health_checks)",
     ""},
    {"a key of jwt_svids outside of it",
     "helper.conf", R"(jwt_audience = "db")",
     R"(helper.conf:1:1: unknown key "jwt_audience": it belongs in jwt_svids)",
     ""},
    {"a typo in jwt_svids",
     "helper.conf", R"(jwt_svids = [
  { jwt_audiense = "db" }
]
)",
     R"(helper.conf:2:5: unknown key "jwt_audiense" in jwt_svids[0]; did you mean "jwt_audience"?)",
     ""},
    {"a shortened name",
     "helper.conf", "add_intermediates = true",
     R"(helper.conf:1:1: unknown key "add_intermediates"; did you mean "add_intermediates_to_bundle"?)",
     ""},
    {"a shortened name of a file",
     "helper.conf", R"(svid_file = "svid.pem")",
     R"(helper.conf:1:1: unknown key "svid_file"; did you mean "svid_file_name"?)",
     ""},
    {"a name without its first word",
     "helper.conf", R"(key_file_name = "key.pem")",
     R"(helper.conf:1:1: unknown key "key_file_name"; did you mean "svid_key_file_name"?)",
     ""},
    {"the bundle without its first word",
     "helper.conf", R"(bundle_file_name = "bundle.pem")",
     R"(helper.conf:1:1: unknown key "bundle_file_name"; did you mean "svid_bundle_file_name"?)",
     ""},
    {"another program's name of the bundle",
     "helper.conf", R"(trust_bundle = "bundle.pem")",
     R"(helper.conf:1:1: unknown key "trust_bundle"; did you mean "svid_bundle_file_name"?)",
     ""},
    {"another program's name of the socket",
     "helper.conf", R"(agent_socket = "/a.sock")",
     R"(helper.conf:1:1: unknown key "agent_socket"; did you mean "agent_address"?)",
     ""},
    {"SPIRE's name of the socket",
     "helper.conf", R"(socketPath = "/a.sock")",
     R"(helper.conf:1:1: unknown key "socketPath"; did you mean "agent_address"?)",
     ""},
    {"a misspelt key of health_checks outside of it",
     "helper.conf", "bind_prot = 8081",
     R"(helper.conf:1:1: unknown key "bind_prot"; did you mean "bind_port" in health_checks?)",
     ""},
    {"a misspelt key of jwt_svids outside of it",
     "helper.conf", R"(jwt_extra_audience = ["a"])",
     R"(helper.conf:1:1: unknown key "jwt_extra_audience"; did you mean "jwt_extra_audiences" in jwt_svids?)",
     ""},
    {"a shortened key of jwt_svids",
     "helper.conf", R"(jwt_svids = [{ audience = "db" }])",
     R"(helper.conf:1:16: unknown key "audience" in jwt_svids[0]; did you mean "jwt_audience"?)",
     ""},
    {"a camelCase name that never was one",
     "helper.conf", "certFileMode = 0644",
     R"(helper.conf:1:1: unknown key "certFileMode"; did you mean "cert_file_mode"?)",
     ""},
    {"an alias beside its new name",
     "helper.conf", R"(agentAddress = "/a.sock"
agent_address = "/b.sock"
)",
     "helper.conf:2:1: use of agentAddress and agent_address found, use only agent_address",
     ""},
};
// clang-format on

// clang-format off
constexpr Mistake kSyntax[] = {
    {"no value",
     "helper.conf", R"(cert_dir =
)",
     "helper.conf:2:1: expected a value for cert_dir, found the end of the file",
     ""},
    {"no value before the next key",
     "helper.conf", R"(cert_dir =
hint = "a"
)",
     "helper.conf:2:1: expected a value for cert_dir, found the next line",
     ""},
    {"no equals sign",
     "helper.conf", R"(cert_dir "certs")",
     R"(helper.conf:1:1: expected "=" after "cert_dir", found "certs")",
     ""},
    {"no equals sign, the next line is reached",
     "helper.conf", R"(cert_dir
hint = "a"
)",
     R"(helper.conf:2:1: expected "=" or "{" after "cert_dir", found "hint")",
     ""},
    {"a colon for the equals sign",
     "helper.conf", R"(cert_dir: "certs")",
     R"(helper.conf:1:9: unexpected character ":"; this looks like YAML, and is read as HCL)",
     "HCL writes key = value; for YAML rename the file to *.yaml, or add -config-format yaml"},
    {"a colon for one equals sign",
     "helper.conf", "cert_dir: \"certs\"\nhint = \"a\"\n",
     R"(helper.conf:1:9: unexpected character ":")",
     "HCL writes key = value"},
    {"a semicolon",
     "helper.conf", R"(cert_dir = "certs";)",
     R"(helper.conf:1:19: unexpected character ";")",
     "HCL needs nothing at the end of a line"},
    {"single quotes",
     "helper.conf", "cert_dir = 'certs'",
     R"(helper.conf:1:12: unexpected character "'")",
     "strings need double quotes"},
    {"typographic quotes",
     "helper.conf", "cert_dir = “certs”",
     R"(helper.conf:1:12: unexpected character "“")",
     R"(typographic quotes are not quotes: use ")"},
    {"no quotes",
     "helper.conf", "cert_dir = certs",
     R"(helper.conf:1:12: expected a value for cert_dir, found "certs")",
     R"(strings need double quotes: "certs")"},
    {"no quotes around a path",
     "helper.conf", "cert_dir = /run/certs",
     R"(helper.conf:1:12: unexpected character "/")",
     "strings need double quotes, comments begin with # or //"},
    {"capital True",
     "helper.conf", "omit_expired = True",
     R"(helper.conf:1:16: expected a value for omit_expired, found "True")",
     "write true"},
    {"yes for true",
     "helper.conf", "omit_expired = yes",
     R"(helper.conf:1:16: expected a value for omit_expired, found "yes")",
     "write true"},
    {"a string that is not closed",
     "helper.conf", R"(cert_dir = "certs
hint = "a"
)",
     "helper.conf:1:12: this string is not closed on its line",
     R"(end it with ", or write \n)"},
    {"an interpolation that is not closed",
     "helper.conf", R"(cert_dir = "certs${x")",
     "helper.conf:1:12: this string is never closed: a ${ in it has no }",
     ""},
    {"a backslash for a slash",
     "helper.conf", R"(cert_dir = "C:\certs")",
     R"(helper.conf:1:15: unknown escape "\\c")",
     R"(write \\ for a backslash)"},
    {"a short escape",
     "helper.conf", R"(cert_dir = "\x4")",
     R"(helper.conf:1:13: \x needs 2 hexadecimal digits)",
     ""},
    {"a short octal escape",
     "helper.conf", R"(cert_dir = "\12")",
     "helper.conf:1:13: an octal escape needs three digits",
     ""},
    {"an octal escape too large",
     "helper.conf", R"(cert_dir = "\400")",
     R"(helper.conf:1:13: an octal escape goes up to \377)",
     ""},
    {"an escape beyond Unicode",
     "helper.conf", R"(cert_dir = "\U00110000")",
     "helper.conf:1:13: an escape for a character that does not exist",
     ""},
    {"a block that is not closed",
     "helper.conf", R"(health_checks {
  bind_port = 8081
)",
     R"(helper.conf:1:15: this "{" is never closed)",
     ""},
    {"a list that is not closed",
     "helper.conf", R"(jwt_svids = [
  { jwt_audience = "db" }
)",
     R"(helper.conf:1:13: this "[" is never closed)",
     ""},
    {"a brace too many",
     "helper.conf", "health_checks {\n"
     "}\n"
     "}\n",
     R"(helper.conf:3:1: expected a key, found "}")",
     "no block is open here"},
    {"two commas",
     "helper.conf", R"(cert_dir = "certs",,)",
     R"(helper.conf:1:20: expected a key, found ",")",
     ""},
    {"no comma in a list",
     "helper.conf", R"(cmd_args = ["-c" "x"])",
     R"(helper.conf:1:18: expected "," or "]" in a list, found the string "x")",
     ""},
    {"a comment that is not closed",
     "helper.conf", R"(cert_dir = "certs"
/* notes
)",
     "helper.conf:2:1: this comment is never closed",
     "close it with */"},
    {"one slash for a comment",
     "helper.conf", "/ notes",
     R"(helper.conf:1:1: unexpected character "/")",
     "strings need double quotes, comments begin with # or //"},
    {"a heredoc that is not closed",
     "helper.conf", R"(cmd_args = <<EOF
-c x
)",
     "helper.conf:1:12: this heredoc is never closed",
     "end it with a line that holds EOF alone"},
    {"the end of an indented heredoc in the first column",
     "helper.conf", R"(cmd_args = <<-EOF
  -c x
EOF
)",
     "helper.conf:1:12: this heredoc is never closed",
     "end it with a line that holds EOF alone, indented"},
    {"a heredoc without a word",
     "helper.conf", R"(cmd_args = <<
-c x
)",
     "helper.conf:1:12: a heredoc begins with << and a word that ends the line, as in <<EOF",
     ""},
    {"a byte order mark",
     "helper.conf", "\xEF\xBB\xBF" "cert_dir = \"certs\"",
     "helper.conf:1:1: the file begins with a byte order mark",
     "save it as UTF-8 without one"},
    {"0o644 without quotes",
     "helper.conf", "cert_file_mode = 0o644",
     "helper.conf:1:18: 0o644 is not a number",
     R"(write 0644, or "0o644")"},
    {"a duration without quotes",
     "helper.conf", "stop_timeout = 30s",
     "helper.conf:1:16: 30s is not a number",
     R"(if it is a string, write "30s")"},
    {"a block with a name",
     "helper.conf", "health_checks \"main\" {\n"
     "}\n",
     R"(helper.conf:1:1: health_checks takes no name, found "main")",
     ""},
    {"a block for a plain key",
     "helper.conf", "cmd \"sleep\" {\n"
     "}\n",
     "helper.conf:1:1: cmd is not a block: write cmd = value",
     ""},
    {"TOML in a .conf file",
     "helper.conf", R"(cert_dir = "certs"

[health_checks]
bind_port = 8081
)",
     R"(helper.conf:3:1: expected a key, found "["; this looks like TOML, and is read as HCL)",
     "rename the file to *.toml, or add -config-format toml"},
    {"HCL in a .toml file",
     "helper.toml", "health_checks {\n"
     "  bind_port = 8081\n"
     "}\n",
     "helper.toml:1:15: error while parsing key-value pair: expected '=', saw '{'; this looks like HCL, and is read as TOML",
     "rename the file to *.conf, or add -config-format hcl"},
};
// clang-format on

// clang-format off
constexpr Mistake kTypes[] = {
    {"a quoted boolean",
     "helper.conf", R"(omit_expired = "true")",
     R"(helper.conf:1:16: omit_expired must be true or false, not the string "true")",
     "leave out the quotes"},
    {"a number for a boolean",
     "helper.conf", "omit_expired = 1",
     "helper.conf:1:16: omit_expired must be true or false, not the number 1",
     ""},
    {"a boolean for a string",
     "helper.conf", "cmd = true",
     "helper.conf:1:7: cmd must be a string, not true",
     R"(write "true")"},
    {"a fraction for a string",
     "helper.conf", "hint = 1.5",
     "helper.conf:1:8: hint must be a string, not the number 1.5",
     R"(write "1.5")"},
    {"a list for a string",
     "helper.conf", R"(cert_dir = ["certs"])",
     "helper.conf:1:12: cert_dir must be a string, not a list",
     ""},
    {"an object for a string",
     "helper.conf", R"(cert_dir = { path = "certs" })",
     "helper.conf:1:12: cert_dir must be a string, not an object",
     ""},
    {"a string for a list",
     "helper.conf", R"(jwt_svids = [{ jwt_extra_audiences = "db" }])",
     R"(helper.conf:1:38: jwt_svids[0].jwt_extra_audiences must be a list of strings, not the string "db")",
     R"(write ["db"])"},
    {"a string for a list of objects",
     "helper.conf", R"(jwt_svids = "db")",
     R"(helper.conf:1:13: jwt_svids must be a list of objects, not the string "db")",
     ""},
    {"a string in a list of objects",
     "helper.conf", R"(jwt_svids = ["db"])",
     R"(helper.conf:1:14: jwt_svids[0] must be an object, not the string "db")",
     ""},
    {"a list for a block",
     "helper.conf", "health_checks = [{ bind_port = 8081 }]",
     "helper.conf:1:17: health_checks must be an object, not a list",
     "write health_checks { key = value }"},
    {"a number for a block",
     "helper.conf", "health_checks = 8081",
     "helper.conf:1:17: health_checks must be an object, not the number 8081",
     "write health_checks { key = value }"},
    {"a boolean in cmd_args",
     "helper.conf", R"(cmd_args = ["-c", true])",
     "helper.conf:1:19: cmd_args[1] must be a string, not true",
     R"(write "true")"},
};
// clang-format on

}  // namespace

TEST_CASE("a mistake in spelling names its place and the key that was meant") {
  check_mistakes(kSpelling);
}
TEST_CASE("a mistake in syntax names its place and the expected syntax") {
  check_mistakes(kSyntax);
}
TEST_CASE("a value of the wrong type names its key and the value") {
  check_mistakes(kTypes);
}
