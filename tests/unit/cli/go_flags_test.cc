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

GivenFlags parse_flags(const Words& args) {
  auto given = spiffe::cli::parse_flags(args, kKnown);
  REQUIRE(given);
  return *std::move(given);
}

std::string flag_complaint(const Words& args) {
  const auto given = spiffe::cli::parse_flags(args, kKnown);
  if (given) return {};
  CHECK(given.error().kind == spiffe::ErrorKind::usage);
  return given.error().message + (given.error().hint.empty() ? "" : "; " + given.error().hint);
}

}  // namespace

TEST_CASE("one or two dashes, and a value after '=' or as the next word, are equivalent") {
  const Values expected = {{"config", "f.conf"}};
  CHECK(parse_flags({"-config", "f.conf"}).values == expected);
  CHECK(parse_flags({"--config", "f.conf"}).values == expected);
  CHECK(parse_flags({"-config=f.conf"}).values == expected);
  CHECK(parse_flags({"--config=f.conf"}).values == expected);
}

TEST_CASE("a value is used unchanged") {
  for (const char* value :
       {"-x", "--config=b", "--", "", "a=b", "[a,b]", "{}", "\"q\"", "%%", "++", "run", "a\nb"}) {
    INFO(value);
    const Values expected = {{"hint", value}};
    CHECK(parse_flags({"-hint", value}).values == expected);
    CHECK(parse_flags({std::string("-hint=") + value}).values == expected);
  }
}

TEST_CASE("an empty value does not take the following word") {
  for (const Words& args :
       {Words{"-hint=", "-daemon-mode=false", "run"}, {"-hint", "", "-daemon-mode=false", "run"}}) {
    const GivenFlags given = parse_flags(args);
    CHECK(given.values == Values{{"hint", ""}, {"daemon-mode", "false"}});
    CHECK(given.words == Words{"run"});
  }
}

TEST_CASE("a value does not take the word that follows it") {
  CHECK(parse_flags({"-config=a", "b"}).words == Words{"b"});
  CHECK(parse_flags({"-config", "a", "b"}).words == Words{"b"});
}

TEST_CASE("a boolean flag alone is true, and takes the following word only if that is a boolean") {
  const Values yes = {{"daemon-mode", "true"}};
  CHECK(parse_flags({"-daemon-mode"}).values == yes);
  CHECK(parse_flags({"-daemon-mode", "run"}).values == yes);
  CHECK(parse_flags({"-daemon-mode", "run"}).words == Words{"run"});
  CHECK(parse_flags({"-daemon-mode", "false"}).values == Values{{"daemon-mode", "false"}});
  CHECK(parse_flags({"-daemon-mode=F"}).values == Values{{"daemon-mode", "F"}});
  CHECK(parse_flags({"-daemon-mode", ""}).words == Words{""});
}

TEST_CASE("a repeated flag is reported each time") {
  CHECK(parse_flags({"-hint", "a", "-hint=b"}).values == Values{{"hint", "a"}, {"hint", "b"}});
}

TEST_CASE("words and a lone dash are kept") {
  CHECK(parse_flags({"run", "-", ""}).words == Words{"run", "-", ""});
}

TEST_CASE("everything after -- is kept unchanged") {
  const GivenFlags given = parse_flags({"-config", "a", "--", "-config", "b", "--"});
  CHECK(given.values == Values{{"config", "a"}});
  REQUIRE(given.behind);
  CHECK(*given.behind == Words{"-config", "b", "--"});
  CHECK_FALSE(parse_flags({"-config", "--"}).behind.has_value());
  CHECK(parse_flags({"--"}).behind == Words{});
}

TEST_CASE("help is requested only by true, and then unknown flags are accepted") {
  for (const Words& args : {Words{"-h"}, {"--h"}, {"-help"}, {"--help=T"}, {"-nope", "-h"}})
    CHECK(parse_flags(args).help);
  for (const Words& args : {Words{}, {"-h=false"}, {"-help", "0"}, {"--", "-h"}})
    CHECK_FALSE(parse_flags(args).help);
}

TEST_CASE("an invalid flag is an error with a hint") {
  CHECK(flag_complaint({"-config"}) == "flag needs an argument: -config");
  CHECK(flag_complaint({"--nope=1"}) == "flag provided but not defined: -nope");
  CHECK(flag_complaint({"-confgi", "x"}) == "flag provided but not defined: -confgi; did you mean -config?");
  CHECK(flag_complaint({"-configFile", "x"}) ==
        "flag provided but not defined: -configFile; did you mean -config?");
  CHECK(flag_complaint({"-config_", "x"}) ==
        "flag provided but not defined: -config_; did you mean -config?");
  for (const char* word : {"-=x", "--=x", "---config"})
    CHECK(flag_complaint({word}) == "bad flag syntax: " + std::string(word));
  CHECK(flag_complaint({"-daemon-mode=maybe"}) == "-daemon-mode must be true or false, not \"maybe\"");
  CHECK(flag_complaint({"-h="}) == "-h must be true or false, not \"\"");
  CHECK(flag_complaint({"-version=2"}) == "-version must be true or false, not \"2\"");
}

TEST_CASE("booleans have the forms of Go's ParseBool") {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) CHECK(parse_go_bool(yes) == true);
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) CHECK(parse_go_bool(no) == false);
  for (const char* neither : {"", "yes", "tRUE", "2"}) CHECK_FALSE(parse_go_bool(neither).has_value());
}
