#include "config/json_reader.hh"

#include "support/catch.hh"

namespace spiffe::config {

namespace {

std::string text_of(std::string_view json) {
  const auto value = parse_json_value(json, "f");
  return value ? value->text : value.error().message;
}

}  // namespace

TEST_CASE("JSON documents keep order, duplicates and positions") {
  const auto document = parse_json("{\n  \"a\": 1,\n  \"a\": [true, null, {\"b\": -1.5e3}]\n}\n", "f");
  REQUIRE(document);
  REQUIRE(document->root.entries.size() == 2);
  CHECK(document->root.entries[0].value.text == "1");
  CHECK(document->root.entries[0].value.at == Position{2, 8});
  const Value& list = document->root.entries[1].value;
  REQUIRE(list.items.size() == 3);
  CHECK(list.items[0].boolean);
  CHECK(list.items[1].kind == Value::Kind::null);
  CHECK(list.items[2].entries[0].value.kind == Value::Kind::real);
  CHECK(list.items[2].entries[0].at == Position{3, 22});
}

TEST_CASE("commas before a closing bracket are accepted, as in the Go helper") {
  CHECK(parse_json("{\"a\": [1, 2,],}", "f"));
  CHECK_FALSE(parse_json("{,}", "f"));
  CHECK_FALSE(parse_json("{\"a\": [1,,2]}", "f"));
}

TEST_CASE("JSON strings support JSON's escapes") {
  CHECK(text_of(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(text_of(R"("\u00e9\uD83D\ude00")") == "\xC3\xA9\xF0\x9F\x98\x80");
  CHECK(text_of(R"("${a}")") == "${a}");
  CHECK(text_of(R"("\ud83d\u0041")") == "f:1:2: half of a surrogate pair");
  CHECK(text_of(R"("\ude00")") == "f:1:2: half of a surrogate pair");
  CHECK(text_of(R"("\u00g0")") == "f:1:2: \\u needs 4 hexadecimal digits");
  CHECK(text_of(R"("\a")") == R"(f:1:2: unknown escape "\\a")");
  CHECK(text_of("\"a") == "f:1:1: this string is not closed on its line");
  CHECK(text_of("\"\\") == "f:1:2: unknown escape \"\\\\\"");
}

TEST_CASE("JSON numbers follow JSON's rules") {
  CHECK(text_of("-0") == "-0");
  CHECK(text_of("10.25E+2") == "10.25E+2");
  CHECK(text_of("01") == "f:1:1: 01 is not a JSON number: it begins with 0");
  CHECK(text_of("-") == "f:1:1: \"-\" is not a JSON number");
  CHECK(text_of("1.") == "f:1:1: \"1.\" is not a JSON number");
  CHECK(text_of("1 2") == "f:1:3: expected the end of the JSON document, found \"2\"");
  CHECK(text_of("") == "f:1:1: expected a JSON value, found the end of the text");
}

TEST_CASE("JSON depth is limited") {
  CHECK(parse_json_value(std::string(64, '[') + std::string(64, ']'), "f"));
  CHECK(text_of(std::string(500000, '[')) == "f:1:65: more than 64 levels deep");
}

TEST_CASE("a JSON document must be an object") {
  const auto document = parse_json("[1]", "f");
  REQUIRE_FALSE(document);
  CHECK(document.error().message == "f:1:1: a JSON configuration is an object, found a list");
}

}  // namespace spiffe::config
