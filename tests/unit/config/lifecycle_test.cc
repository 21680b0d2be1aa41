// The blocks start and reload: in every format, as flags and variables, and the rules for them.
#include "config/lifecycle.hh"

#include "config/convert.hh"
#include "config/schema.hh"
#include "support/catch.hh"
#include "unit/config/support.hh"

namespace spiffe::config {

namespace {

using Strings = std::vector<std::string>;

constexpr const char* kHcl = R"(start { cmd = "nginx", args = "-g \"daemon off;\"" }
reload {
  cmd = "nginx"
  args = ["-t"]
  signal = "HUP"
  pid_file_name = "/run/nginx.pid"
}
)";
constexpr const char* kYaml = R"(svid_file_name: svid.pem
svid_key_file_name: key.pem
svid_bundle_file_name: bundle.pem
start:
  cmd: nginx
  args: ["-g", "daemon off;"]
reload:
  cmd: nginx
  args: -t
  signal: SIGHUP
  pid_file_name: /run/nginx.pid
)";
constexpr const char* kToml = R"(
[start]
cmd = "nginx"
args = ["-g", "daemon off;"]
[reload]
cmd = "nginx"
args = ["-t"]
signal = "1"
pid_file_name = "/run/nginx.pid"
)";
constexpr const char* kJson = R"({
"svid_file_name": "svid.pem", "svid_key_file_name": "key.pem", "svid_bundle_file_name": "bundle.pem",
"start": {"cmd": "nginx", "args": ["-g", "daemon off;"]},
"reload": {"cmd": "nginx", "args": "-t", "signal": "SIGHUP", "pid_file_name": "/run/nginx.pid"}
})";

std::string with_files(const std::string& text) {
  return std::string(test::kFiles) + text;
}

void check_all_set(const Loaded& loaded) {
  const Config& config = loaded.config;
  CHECK(config.cmd == "nginx");
  CHECK(config.cmd_args == Strings{"-g", "daemon off;"});
  CHECK(config.renew_signal == 1);
  CHECK(config.pid_file_name == "/run/nginx.pid");
  CHECK(reload_command(config) == Strings{"nginx", "-t"});
  CHECK(loaded.warnings.empty());
}

std::string error_of(const std::string& text, const Environment& environment = {},
                     const std::vector<FlagValue>& flags = {}) {
  const auto loaded = test::load_text({.text = with_files(text), .environment = environment, .flags = flags});
  return loaded ? "loaded" : loaded.error().message;
}

Strings warnings_of(const std::string& text) {
  return test::warnings_of(test::must_load({.text = with_files(text)}));
}

}  // namespace

TEST_CASE("start and reload set the keys at the top level, in every format") {
  check_all_set(test::must_load({.text = with_files(kHcl)}));
  check_all_set(test::must_load({.text = with_files(kToml), .file = "helper.toml"}));
  check_all_set(test::must_load({.text = kYaml, .file = "helper.yaml"}));
  check_all_set(test::must_load({.text = kJson, .file = "helper.json"}));
}

TEST_CASE("start and reload as variables and flags") {
  const auto by_variables =
      test::must_load({.text = with_files(""),
                       .environment = {{"SPIFFE_HLP_START_CMD", "nginx"},
                                       {"SPIFFE_HLP_START_ARGS", R"(["-g", "daemon off;"])"},
                                       {"SPIFFE_HLP_RELOAD_CMD", "nginx"},
                                       {"SPIFFE_HLP_RELOAD_ARGS", "-t"},
                                       {"SPIFFE_HLP_RELOAD_SIGNAL", "HUP"},
                                       {"SPIFFE_HLP_RELOAD_PID_FILE_NAME", "/run/nginx.pid"}}});
  check_all_set(by_variables);
  check_all_set(
      test::must_load({.text = with_files("start { cmd = \"other\" }\n"),
                       .flags = {{"start.cmd", "nginx", "-start-cmd"},
                                 {"start.args", "-g \"daemon off;\"", "-start-args"},
                                 {"reload.cmd", "nginx", "-reload-cmd"},
                                 {"reload.args", "-t", "-reload-args"},
                                 {"reload.signal", "HUP", "-reload-signal"},
                                 {"reload.pid_file_name", "/run/nginx.pid", "-reload-pid-file-name"}}}));
  CHECK(flag_name(*find_key("reload.pid_file_name")) == "reload-pid-file-name");
}

TEST_CASE("the flat keys remain valid, without a warning") {
  CHECK(
      warnings_of("cmd = \"a\"\ncmd_args = \"b\"\nrenew_signal = \"HUP\"\npid_file_name = \"p\"\n").empty());
  // Also with blocks that set other keys.
  CHECK(warnings_of("cmd = \"a\"\nrenew_signal = \"HUP\"\nreload { cmd = \"c\" }\n").empty());
  CHECK(warnings_of("cmd = \"a\"\nstart { }\nreload { signal = \"HUP\" }\n").empty());
}

TEST_CASE("only one key of a pair may be set") {
  CHECK(error_of("cmd = \"a\"\nstart { cmd = \"a\" }\n") ==
        "helper.conf:5:15: cmd cannot be used with start.cmd");
  CHECK(error_of("cmd = \"a\"\ncmd_args = \"b\"\nstart { args = \"b\" }\n") ==
        "helper.conf:6:16: cmd_args cannot be used with start.args");
  CHECK(error_of("cmd = \"a\"\nrenew_signal = \"HUP\"\nreload { signal = \"HUP\" }\n") ==
        "helper.conf:6:19: renew_signal cannot be used with reload.signal");
  CHECK(error_of("renew_signal = \"HUP\"\npid_file_name = \"p\"\nreload { pid_file_name = \"q\" }\n") ==
        "helper.conf:6:26: pid_file_name cannot be used with reload.pid_file_name");
  // From any source, and all of them at once.
  CHECK(error_of("cmd = \"a\"\n", {{"SPIFFE_HLP_START_CMD", "b"}}) ==
        "SPIFFE_HLP_START_CMD: cmd cannot be used with start.cmd");
  CHECK(error_of("start { cmd = \"a\" }\n", {}, {{"cmd", "b", "-cmd"}}) ==
        "helper.conf:4:15: cmd cannot be used with start.cmd");
  CHECK(error_of("start { cmd = \"a\" }\n", {}, {{"cmd", "", "-cmd"}}) == "loaded");
  const auto both = test::load_text(
      {.text = with_files(
           "cmd = \"a\"\nrenew_signal = \"1\"\nstart { cmd = \"a\" }\nreload { signal = \"1\" }\n")});
  REQUIRE_FALSE(both);
  CHECK(both.error().also.size() == 1);
  CHECK(both.error().hint == "keep one of them");
  CHECK(error_of("prepare_cmd = \"a\"\nreload { cmd = \"b\" }\ncmd = \"c\"\n") ==
        "helper.conf:5:16: prepare_cmd cannot be used with reload.cmd");
}

TEST_CASE("unknown keys in start and reload are errors") {
  CHECK(error_of("start { signal = \"HUP\" }\n") == "helper.conf:4:9: unknown key \"signal\" in start");
  CHECK(error_of("reload { \"cmd_argz\" = \"a\" }\n")
            .starts_with("helper.conf:4:10: unknown key \"cmd_argz\" in reload"));
  CHECK(error_of("start = \"nginx\"\n") ==
        "helper.conf:4:9: start must be an object, not the string \"nginx\"");
  CHECK(error_of("reload \"name\" { }\n") == "helper.conf:4:1: reload takes no name, found \"name\"");
  CHECK(error_of("start { cmd { } }\n") == "helper.conf:4:13: start.cmd must be a string, not an object");
  CHECK(error_of("reload { signal = \"NOPE\" }\n")
            .starts_with("helper.conf:4:19: reload.signal must be a signal"));
}

TEST_CASE("reload.pid_file_name needs reload.signal") {
  CHECK(error_of("reload { pid_file_name = \"p\" }\n") ==
        "helper.conf:4:26: reload.pid_file_name needs reload.signal, the signal to send");
  CHECK(error_of("pid_file_name = \"p\"\n") ==
        "helper.conf:4:17: pid_file_name needs renew_signal, the signal to send");
}

TEST_CASE("without daemon mode the blocks are ignored with a warning") {
  const auto ignored = [](const std::string& place, const std::string& key) {
    return place + " | " + key + " is set but daemon_mode is false. " + key +
           " will be ignored. This may become an error in a future release.";
  };
  CHECK(
      warnings_of("daemon_mode = false\nstart { cmd = \"a\" }\nreload { cmd = \"b\", signal = \"HUP\" }\n") ==
      Strings{ignored("helper.conf:5:9", "start.cmd"), ignored("helper.conf:6:10", "reload.cmd"),
              ignored("helper.conf:6:21", "reload.signal")});
  CHECK(error_of("daemon_mode = false\nreload { pid_file_name = \"p\", signal = \"HUP\" }\n") ==
        "helper.conf:5:26: reload.pid_file_name works in daemon mode only, and daemon_mode is false");
}

TEST_CASE("a key of a block without effect is named by its own name in the warning") {
  CHECK(warnings_of("start { args = \"a\" }\nreload { args = \"b\" }\n") ==
        Strings{"helper.conf:4:9 | start.args has no effect without start.cmd",
                "helper.conf:5:10 | reload.args has no effect without reload.cmd"});
  CHECK(warnings_of("reload { signal = \"HUP\" }\n") ==
        Strings{"helper.conf:4:10 | reload.signal has no effect without cmd or pid_file_name"});
}

TEST_CASE("a command after -- replaces that of start") {
  const test::WorkingDirectory directory;
  directory.write("helper.conf", with_files("start { cmd = \"a\", args = \"b\" }\n"));
  LoadOptions options;
  options.command = {"c"};
  const auto loaded = load(options);
  REQUIRE(loaded);
  CHECK(loaded->config.cmd == "c");
  CHECK(loaded->config.cmd_args.empty());
}

TEST_CASE("config convert keeps blocks, and creates them on request") {
  constexpr std::string_view kFlat = R"(# the program
cmd = "nginx"
cmd_args = ["-g", "daemon off;"]
# HUP is what it knows
renew_signal = "SIGHUP"
hint = "a"
pid_file_name = "p"
)";
  constexpr std::string_view kBlocks = R"(hint: a
start:
  # the program
  cmd: nginx
  args: ["-g", "daemon off;"]
reload:
  # HUP is what it knows
  signal: SIGHUP
  pid_file_name: p
)";
  const auto blocks = convert(kFlat, "f.conf", Format::by_name, Format::yaml, true);
  REQUIRE(blocks);
  CHECK(blocks->text == kBlocks);
  const auto again = convert(blocks->text, "f.yaml", Format::by_name, Format::yaml);
  REQUIRE(again);
  CHECK(again->text == blocks->text);
  const auto both = convert("cmd = \"a\"\nstart { cmd = \"b\" }\n", "f", Format::by_name, Format::hcl, true);
  REQUIRE_FALSE(both);
  CHECK(both.error().message == "f:2:15: cmd cannot be used with start.cmd");
}

}  // namespace spiffe::config
