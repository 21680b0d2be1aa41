#include "cli/go_flags.hh"

#include "support/catch.hh"

using spiffe::cli::GoFlag;
using spiffe::cli::normalise_flags;
using spiffe::cli::parse_go_bool;
using Words = std::vector<std::string>;

namespace {

Words normalise(const Words& args) {
  return normalise_flags(args, {{"config", false}, {"daemon-mode", true}, {"version", true}});
}

}  // namespace

TEST_CASE("one dash and two, value behind '=' and as the next word, are the same") {
  const Words expected = {"--config=f.conf"};
  CHECK(normalise({"-config", "f.conf"}) == expected);
  CHECK(normalise({"--config", "f.conf"}) == expected);
  CHECK(normalise({"-config=f.conf"}) == expected);
  CHECK(normalise({"--config=f.conf"}) == expected);
}

TEST_CASE("a value may begin with a dash") {
  CHECK(normalise({"-config", "-x"}) == Words{"--config=-x"});
}

TEST_CASE("a value may be empty") {
  CHECK(normalise({"-config="}) == Words{"--config="});
  CHECK(normalise({"-config", ""}) == Words{"--config="});
}

TEST_CASE("a boolean flag alone is true, and takes a following word only where it is a boolean") {
  CHECK(normalise({"-daemon-mode"}) == Words{"--daemon-mode=true"});
  CHECK(normalise({"-daemon-mode", "false"}) == Words{"--daemon-mode=false"});
  CHECK(normalise({"-daemon-mode=F"}) == Words{"--daemon-mode=F"});
  CHECK(normalise({"-daemon-mode", "run"}) == Words{"--daemon-mode=true", "run"});
}

TEST_CASE("words, a lone dash and unknown flags pass through") {
  CHECK(normalise({"run", "-", "-nope", "--nope=1"}) == Words{"run", "-", "--nope", "--nope=1"});
}

TEST_CASE("everything behind -- is left alone") {
  CHECK(normalise({"-config", "a", "--", "-config", "b"}) == Words{"--config=a", "--", "-config", "b"});
}

TEST_CASE("a flag without its value is left for the parser to refuse") {
  CHECK(normalise({"-config"}) == Words{"--config"});
}

TEST_CASE("booleans are spelt as Go's ParseBool takes them") {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) CHECK(parse_go_bool(yes) == true);
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) CHECK(parse_go_bool(no) == false);
  for (const char* neither : {"", "yes", "tRUE", "2"}) CHECK_FALSE(parse_go_bool(neither).has_value());
}
