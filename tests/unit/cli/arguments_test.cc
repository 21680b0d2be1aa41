#include "cli/args/arguments.hh"

#include <array>

#include "support/catch.hh"

using spiffe::cli::Arguments;
using spiffe::cli::Command;
using spiffe::cli::CommandFlag;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

namespace {

constexpr std::array<std::string_view, 2> kVerbs = {"x509", "jwt"};
constexpr std::array<CommandFlag, 3> kFlags = {
    {{"write", "DIR", ""}, {"all", "", ""}, {"kind", "leaf|chain", ""}}};
constexpr Command kFetch = {.name = "fetch",
                            .summary = "",
                            .help = "",
                            .verbs = kVerbs,
                            .flags = kFlags,
                            .max_words = 1,
                            .prints_data = true};
constexpr Command kKeys = {.name = "keys", .summary = "", .help = "", .keys = spiffe::cli::Keys::all};

auto parse(const Words& words, const Command& command = kFetch) {
  return spiffe::cli::parse_arguments(command, words);
}

std::string complaint(const Words& words, const Command& command = kFetch) {
  const auto parsed = parse(words, command);
  if (parsed) return {};
  CHECK(parsed.error().kind == spiffe::ErrorKind::usage);
  CHECK_FALSE(parsed.error().hint.empty());
  return parsed.error().message;
}

}  // namespace

TEST_CASE("a command's flags, words and common flags") {
  const auto arguments = parse({"-write", "d", "x509", "--all", "word", "-output=json", "-timeout", "1m30s",
                                "-log-level=debug", "-config", "f.toml", "-agent-address", "/a.sock"});
  REQUIRE(arguments);
  CHECK(arguments->verb == "x509");
  CHECK(arguments->words == Words{"word"});
  CHECK(arguments->value("write") == "d");
  CHECK(arguments->set("all"));
  CHECK(arguments->json);
  CHECK(arguments->timeout == 90s);
  CHECK(arguments->log_level == spiffe::log::Level::debug);
  CHECK(arguments->configuration.path == "f.toml");
  CHECK(arguments->configuration.path_given);
  REQUIRE(arguments->configuration.flags.size() == 1);
  CHECK(arguments->configuration.flags[0].key == "agent_address");
  CHECK(arguments->configuration.flags[0].value == "/a.sock");
}

TEST_CASE("a command line without flags") {
  const auto arguments = parse({"jwt"});
  REQUIRE(arguments);
  CHECK_FALSE(arguments->json);
  CHECK_FALSE(arguments->timeout);
  CHECK_FALSE(arguments->set("all"));
  CHECK(arguments->value("write").empty());
  CHECK(arguments->log_level == spiffe::log::Level::warning);
  CHECK_FALSE(arguments->configuration.path_given);
}

TEST_CASE("the last value of a repeated flag counts") {
  const auto arguments =
      parse({"jwt", "-write=a", "-all", "-write", "b", "-all=false", "-output=json", "-output=text"});
  REQUIRE(arguments);
  CHECK(arguments->value("write") == "b");
  CHECK_FALSE(arguments->set("all"));
  CHECK_FALSE(arguments->json);
}

TEST_CASE("arguments after -- are words, and so is a lone dash") {
  CHECK(parse({"jwt", "--", "-write"})->words == Words{"-write"});
  CHECK(parse({"jwt", "-"})->words == Words{"-"});
}

TEST_CASE("help takes priority over everything else") {
  for (const Words& words :
       {Words{"-h"}, {"--help"}, {"nonsense", "-help"}, {"-nope", "-h"}, {"jwt", "-output=xml", "-h"}}) {
    const auto arguments = parse(words);
    REQUIRE(arguments);
    CHECK(arguments->help);
  }
}

TEST_CASE("an invalid command line is an error with a hint") {
  CHECK(complaint({}) == "fetch needs x509 or jwt");
  CHECK(complaint({"x590"}) == "fetch needs x509 or jwt, not \"x590\"");
  CHECK(complaint({"jwt", "a", "b"}) == "unexpected argument \"b\"");
  CHECK(complaint({"jwt", "-writ", "d"}) == "flag provided but not defined: -writ");
  CHECK(parse({"jwt", "-writ", "d"}).error().hint == "did you mean -write?");
  CHECK(complaint({"jwt", "-output=xml"}) == "-output must be text or json, not \"xml\"");
  CHECK(complaint({"jwt", "-kind=root"}) == "-kind must be leaf or chain, not \"root\"");
  CHECK(complaint({"jwt", "-timeout=5"}) == "-timeout \"5\" has no unit");
  CHECK(complaint({"jwt", "-timeout=-5s"}) == "-timeout must not be negative");
  CHECK(complaint({"jwt", "-all=maybe"}) == "-all must be true or false, not \"maybe\"");
  CHECK(complaint({"jwt", "-cert-dir=x"}) == "flag provided but not defined: -cert-dir");
  CHECK_FALSE(complaint({"jwt", "-write"}).empty());
}

TEST_CASE("a command accepts the same log levels as run") {
  CHECK(parse({"jwt", "-log-level", "warn"})->log_level == spiffe::log::Level::warning);
  CHECK(parse({"jwt", "-log-level=TRACE"})->log_level == spiffe::log::Level::debug);
  CHECK(complaint({"jwt", "-log-level=loud"}) ==
        "-log-level must be debug, info, warning or error, not \"loud\"");
}

TEST_CASE("a command may take every key") {
  const auto arguments =
      parse({"-cert-dir", "c", "-timeout=5s", "-omit-expired", "-log-level", "nonsense"}, kKeys);
  REQUIRE(arguments);
  const auto& flags = arguments->configuration.flags;
  REQUIRE(flags.size() == 4);
  // Order matters only between values of the same key.
  CHECK(std::ranges::any_of(flags, [](const auto& f) { return f.key == "cert_dir" && f.value == "c"; }));
  CHECK(
      std::ranges::any_of(flags, [](const auto& f) { return f.key == "timeout" && f.source == "-timeout"; }));
  CHECK(
      std::ranges::any_of(flags, [](const auto& f) { return f.key == "omit_expired" && f.value == "true"; }));
  CHECK_FALSE(arguments->timeout);
  CHECK(complaint({"-output=json"}, kKeys) == "flag provided but not defined: -output");
}

TEST_CASE("a command may take the keys except its own flags, and the command that run wraps") {
  constexpr Command kMost = {.name = "most", .summary = "", .help = "", .keys = spiffe::cli::Keys::most};
  const auto arguments = parse({"-cert-dir", "c", "-timeout=5s", "-log-level", "warn", "-agent-address", "/a",
                                "--", "nginx", "-g", "daemon off;"},
                               kMost);
  REQUIRE(arguments);
  CHECK(arguments->timeout == 5s);
  CHECK(arguments->log_level == spiffe::log::Level::warning);
  CHECK(arguments->configuration.command == Words{"nginx", "-g", "daemon off;"});
  CHECK(arguments->words.empty());
  const auto& flags = arguments->configuration.flags;
  REQUIRE(flags.size() == 2);
  CHECK(std::ranges::any_of(flags, [](const auto& f) { return f.key == "cert_dir" && f.value == "c"; }));
  CHECK(
      std::ranges::any_of(flags, [](const auto& f) { return f.key == "agent_address" && f.value == "/a"; }));
  CHECK(complaint({"--"}, kMost) == "no command follows --");
  CHECK(parse({"--", "true"}, kKeys)->configuration.command == Words{"true"});
}
