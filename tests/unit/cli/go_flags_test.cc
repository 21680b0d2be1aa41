#include "cli/args/go_flags.hh"

#include "support/catch.hh"

using spiffe::cli::GivenFlags;
using spiffe::cli::GoFlag;
using spiffe::cli::parse_go_bool;
using Words = std::vector<std::string>;
using Values = std::vector<std::pair<std::string, std::string>>;

namespace {

const std::vector<GoFlag> kKnown = {{"config", false}, {"hint", false}, {"daemon-mode", true},
                                    {"help", true},    {"h", true},     {"version", true}};

GivenFlags parse(const Words& args) {
  auto given = spiffe::cli::parse_flags(args, kKnown);
  REQUIRE(given);
  return *std::move(given);
}

std::string complaint(const Words& args) {
  const auto given = spiffe::cli::parse_flags(args, kKnown);
  if (given) return {};
  CHECK(given.error().kind == spiffe::ErrorKind::usage);
  return given.error().message + (given.error().hint.empty() ? "" : "; " + given.error().hint);
}

}  // namespace

TEST_CASE("one or two dashes, and a value after '=' or as the next word, are equivalent") {
  const Values expected = {{"config", "f.conf"}};
  CHECK(parse({"-config", "f.conf"}).values == expected);
  CHECK(parse({"--config", "f.conf"}).values == expected);
  CHECK(parse({"-config=f.conf"}).values == expected);
  CHECK(parse({"--config=f.conf"}).values == expected);
}

TEST_CASE("a value is used unchanged") {
  for (const char* value :
       {"-x", "--config=b", "--", "", "a=b", "[a,b]", "{}", "\"q\"", "%%", "++", "run", "a\nb"}) {
    INFO(value);
    const Values expected = {{"hint", value}};
    CHECK(parse({"-hint", value}).values == expected);
    CHECK(parse({std::string("-hint=") + value}).values == expected);
  }
}

TEST_CASE("an empty value does not take the following word") {
  for (const Words& args :
       {Words{"-hint=", "-daemon-mode=false", "run"}, {"-hint", "", "-daemon-mode=false", "run"}}) {
    const GivenFlags given = parse(args);
    CHECK(given.values == Values{{"hint", ""}, {"daemon-mode", "false"}});
    CHECK(given.words == Words{"run"});
  }
}

TEST_CASE("a value does not take the word that follows it") {
  CHECK(parse({"-config=a", "b"}).words == Words{"b"});
  CHECK(parse({"-config", "a", "b"}).words == Words{"b"});
}

TEST_CASE("a boolean flag alone is true, and takes the following word only if that is a boolean") {
  const Values yes = {{"daemon-mode", "true"}};
  CHECK(parse({"-daemon-mode"}).values == yes);
  CHECK(parse({"-daemon-mode", "run"}).values == yes);
  CHECK(parse({"-daemon-mode", "run"}).words == Words{"run"});
  CHECK(parse({"-daemon-mode", "false"}).values == Values{{"daemon-mode", "false"}});
  CHECK(parse({"-daemon-mode=F"}).values == Values{{"daemon-mode", "F"}});
  CHECK(parse({"-daemon-mode", ""}).words == Words{""});
}

TEST_CASE("a repeated flag is reported each time") {
  CHECK(parse({"-hint", "a", "-hint=b"}).values == Values{{"hint", "a"}, {"hint", "b"}});
}

TEST_CASE("words and a lone dash are kept") {
  CHECK(parse({"run", "-", ""}).words == Words{"run", "-", ""});
}

TEST_CASE("everything after -- is kept unchanged") {
  const GivenFlags given = parse({"-config", "a", "--", "-config", "b", "--"});
  CHECK(given.values == Values{{"config", "a"}});
  REQUIRE(given.behind);
  CHECK(*given.behind == Words{"-config", "b", "--"});
  CHECK_FALSE(parse({"-config", "--"}).behind.has_value());
  CHECK(parse({"--"}).behind == Words{});
}

TEST_CASE("help is requested only by true, and then unknown flags are accepted") {
  for (const Words& args : {Words{"-h"}, {"--h"}, {"-help"}, {"--help=T"}, {"-nope", "-h"}})
    CHECK(parse(args).help);
  for (const Words& args : {Words{}, {"-h=false"}, {"-help", "0"}, {"--", "-h"}})
    CHECK_FALSE(parse(args).help);
}

TEST_CASE("an invalid flag is an error with a hint") {
  CHECK(complaint({"-config"}) == "flag needs an argument: -config");
  CHECK(complaint({"--nope=1"}) == "flag provided but not defined: -nope");
  CHECK(complaint({"-confgi", "x"}) == "flag provided but not defined: -confgi; did you mean -config?");
  CHECK(complaint({"-configFile", "x"}) ==
        "flag provided but not defined: -configFile; did you mean -config?");
  CHECK(complaint({"-config_", "x"}) == "flag provided but not defined: -config_; did you mean -config?");
  for (const char* word : {"-=x", "--=x", "---config"})
    CHECK(complaint({word}) == "bad flag syntax: " + std::string(word));
  CHECK(complaint({"-daemon-mode=maybe"}) == "-daemon-mode must be true or false, not \"maybe\"");
  CHECK(complaint({"-h="}) == "-h must be true or false, not \"\"");
  CHECK(complaint({"-version=2"}) == "-version must be true or false, not \"2\"");
}

TEST_CASE("booleans have the forms of Go's ParseBool") {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) CHECK(parse_go_bool(yes) == true);
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) CHECK(parse_go_bool(no) == false);
  for (const char* neither : {"", "yes", "tRUE", "2"}) CHECK_FALSE(parse_go_bool(neither).has_value());
}
