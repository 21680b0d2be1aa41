#include "config/convert.hh"

#include "support/catch.hh"

namespace spiffe::config {

namespace {

std::string converted(std::string_view text, const std::string& source = "f.conf",
                      Format to = Format::by_name) {
  const auto out = convert(text, source, Format::by_name, to);
  REQUIRE(out);
  return out->text;
}

}  // namespace

TEST_CASE("values stay as written, except numbers that the other syntax spells differently") {
  CHECK(converted(R"(agent_address = "run/agent.sock"
stop_timeout = "90s"
cmd_args = "-c \"a b\""
hint = 0644
cert_file_mode = 0640
key_file_mode = 384
jwt_svid_file_mode = "0o600"
owner = 1000
group = "nobody-has-this-name"
cert_dir = <<EOF
/certs
EOF
health_checks {
  bind_port = 0x1F91
}
)") == R"(agent_address = "run/agent.sock"
stop_timeout = "90s"
cmd_args = "-c \"a b\""
hint = "0644"
cert_file_mode = "0640"
key_file_mode = "0600"
jwt_svid_file_mode = "0600"
owner = "1000"
group = "nobody-has-this-name"
cert_dir = "/certs\n"

[health_checks]
bind_port = 8081
)");
}

TEST_CASE("keys get their current names, and repeated keys are merged") {
  CHECK(converted(R"(certDir = "a"
HINT = "one"
Hint = "two"
jwt_svids = [{ jwt_audience = "a", jwt_svid_file_name = "t", jwt_extra_audiences = ["x"], JWT_EXTRA_AUDIENCES = [5] }]
health_checks { listener_enabled = false }
jwt_svids "label" { jwt_audience = "b", jwt_svid_file_name = "u" }
health_checks { listener_enabled = true, bind_port = 1 }
)") == R"(cert_dir = "a"
hint = "two"

[[jwt_svids]]
jwt_audience = "a"
jwt_svid_file_name = "t"
jwt_extra_audiences = ["x", "5"]

[[jwt_svids]]
jwt_audience = "b"
jwt_svid_file_name = "u"

[health_checks]
listener_enabled = true
bind_port = 1
)");
}

TEST_CASE("JSON: null is left out, and blocks in lists are blocks") {
  const std::string_view json =
      R"({"hint": null, "cert_dir": "a", "health_checks": [{"bind_port": 1}, {"listener_enabled": true}],
          "jwt_svids": {"jwt_audience": "a", "jwt_svid_file_name": "t"}})";
  const std::string expected = R"(cert_dir = "a"
health_checks {
  bind_port = 1
  listener_enabled = true
}
jwt_svids = [
  {
    jwt_audience = "a"
    jwt_svid_file_name = "t"
  },
]
)";
  CHECK(converted(json, "f.json", Format::hcl) == expected);
  CHECK(converted(expected, "f.conf", Format::hcl) == expected);
  CHECK(
      converted(converted(json, "f.json"), "f.toml") ==
      "cert_dir = \"a\"\nhealth_checks {\n  bind_port = 1\n  listener_enabled = true\n}\njwt_svids = [\n  {\n"
      "    jwt_audience = \"a\"\n    jwt_svid_file_name = \"t\"\n  },\n]\n");
}

TEST_CASE("comments keep their keys") {
  const std::string_view hcl = R"(# the file
# of two lines

health_checks { # of the block
  /* of the flag */ listener_enabled = true
  // at the end of the block
}
/*
 * boxed
 */
cmd = "a" # of cmd
cmd_args = [
  "x", # of the list
  "y"
] # next
hint = "b"
# last
)";
  const std::string toml = converted(hcl);
  CHECK(toml == R"(# at the end of the block
# boxed
# of cmd
cmd = "a"
# of the list
cmd_args = ["x", "y"]
# next
hint = "b"

# the file
# of two lines
# of the block
[health_checks]
# of the flag
listener_enabled = true

# last
)");
  CHECK(converted(converted(toml, "f.toml")) == toml);
}

TEST_CASE("comments inside lists of blocks keep their keys") {
  const std::string toml = R"(# of all
[[jwt_svids]]
# of one
jwt_audience = "a"
jwt_svid_file_name = "t"

[[jwt_svids]]
# of the other
jwt_audience = "b"
jwt_svid_file_name = "u"
)";
  CHECK(converted(converted(toml, "f.toml")) == toml);
}

TEST_CASE("a hash sign in a string does not begin a comment") {
  CHECK(converted("hint = \"# a\" # b\n") == "# b\nhint = \"# a\"\n");
  CHECK(converted("hint = '# a' # b\n", "f.toml") == "# b\nhint = \"# a\"\n");
  CHECK(converted("hint = \"\"\"\n# a\n\"\"\" # b\n", "f.toml") == "hint = \"# a\\n\"\n\n# b\n");
  CHECK(converted("hint = <<EOF\n# a\nEOF\n") == "hint = \"# a\\n\"\n");
}

TEST_CASE("control characters of a comment are escaped, since TOML does not accept them") {
  CHECK(converted("hint = \"a\" # b\x0b\x01 c\n") == "# b\\v\\x01 c\nhint = \"a\"\n");
}

TEST_CASE("keys that only cause a warning are left out, with the warning") {
  const auto out = convert("# why\n\"unknown\" = 1\nhint = \"a\"\n", "f.conf", Format::by_name, Format::toml);
  REQUIRE(out);
  CHECK(out->text == "hint = \"a\"\n\n# why\n");
  REQUIRE(out->warnings.size() == 1);
  CHECK(out->warnings[0].message == "unknown key \"unknown\"");
  CHECK(out->warnings[0].at == "f.conf:2:1");
}

TEST_CASE("a configuration that run would refuse is not converted") {
  for (const char* text : {"hint = [", "hint = true\n", "hitn = \"a\"\n", "cert_file_mode = \"0888\"\n"}) {
    const auto out = convert(text, "f.conf", Format::by_name, Format::toml);
    REQUIRE_FALSE(out);
    CHECK(out.error().message.starts_with("f.conf:1:"));
  }
  CHECK(convert("hint = \"\\xe9\"\n", "f.conf", Format::by_name, Format::toml).error().message ==
        "f.conf: hint is not valid UTF-8, and TOML has no way to write it");
  CHECK(converted("hint = \"\\xe9\"\n", "f.conf", Format::hcl) == "hint = \"\\xe9\"\n");
}

TEST_CASE("conversion from and to YAML, with comments") {
  constexpr std::string_view kYaml = R"(# where it is
cert_dir: /certs
# two
# lines
cert_file_mode: 0o640
cmd_args: ["-c", "echo hi"]
health_checks:
  # for probes
  bind_port: 8081
jwt_svids:
  - jwt_audience: db
    jwt_extra_audiences: [a, b]
    jwt_svid_file_name: t
# the end
)";
  constexpr std::string_view kHcl = R"(# where it is
cert_dir = "/certs"
# two
# lines
cert_file_mode = "0640"
cmd_args = ["-c", "echo hi"]
health_checks {
  # for probes
  bind_port = 8081
}
jwt_svids = [
  {
    jwt_audience = "db"
    jwt_extra_audiences = ["a", "b"]
    jwt_svid_file_name = "t"
  },
]

# the end
)";
  const std::string yaml = R"(cert_dir: /certs # where it is
cert_file_mode: 416 # two
# lines
cmd_args: [-c,
  echo hi]
health_checks: {
  # for probes
  bind_port: 0x1f91 }
jwt_svids:
- jwt_audience: db
  jwt_extra_audiences:
  - a
  - b
  jwt_svid_file_name: t
# the end)";
  CHECK(converted(kHcl, "f.conf", Format::yaml) ==
        std::string(kYaml).replace(kYaml.find("# the end"), 0, "\n"));
  CHECK(converted(kYaml, "f.yaml", Format::hcl) == kHcl);
  CHECK(converted(kYaml, "f.yml").starts_with("# where it is\ncert_dir = \"/certs\"\n"));
  const std::string tidy = converted(yaml, "f.yaml", Format::yaml);
  CHECK(
      tidy.starts_with("# where it is\ncert_dir: /certs\n# two\ncert_file_mode: 0o640\n# lines\ncmd_args: "));
  CHECK(converted(tidy, "f.yaml", Format::yaml) == tidy);
}

}  // namespace spiffe::config
