#include "identity/json.hh"

#include "support/catch.hh"

using spiffe::identity::kMaxJsonDepth;
using spiffe::identity::parse_json;

namespace {

std::string json_refusal(std::string_view text) {
  const auto value = parse_json(text, 1000);
  if (value) return "accepted " + value->dump();
  CHECK(value.error().kind == spiffe::ErrorKind::verification);
  return value.error().message;
}

}  // namespace

TEST_CASE("JSON of every kind is read") {
  CHECK(json_refusal(R"( {"a": [1, -2, 0.5, "x", true, null, {}], "b": {"c": []}} )") ==
        R"(accepted {"a":[1,-2,0.5,"x",true,null,{}],"b":{"c":[]}})");
  CHECK(json_refusal("18446744073709551615") == "accepted 18446744073709551615");
  CHECK(json_refusal(R"("é\u00e9")") == R"(accepted "éé")");
}

TEST_CASE("text that is not JSON is refused, and not shown") {
  for (const std::string_view text :
       {"", " ", "{", "[1,]", "{secret}", "{} {}", "nul", "\"\x80\"", "\"a\nb\"", "01", "// x\n1", "NaN"}) {
    INFO(text);
    const std::string why = json_refusal(text);
    CHECK(why.starts_with("not JSON at byte "));
    CHECK(why.find("secret") == std::string::npos);
  }
}

TEST_CASE("a NUL does not end JSON, and a byte order mark does not begin it") {
  using namespace std::string_view_literals;
  CHECK(json_refusal("{}\0"sv) == "not JSON at byte 3");
  CHECK(json_refusal("{}\0garbage"sv) == "not JSON at byte 3");
  CHECK(json_refusal("{} \0{}"sv) == "not JSON at byte 4");
  CHECK(json_refusal("1\0"sv) == "not JSON at byte 2");
  CHECK(json_refusal("\0{}"sv) == "not JSON at byte 1");
  CHECK(json_refusal("[1\0]"sv) == "not JSON at byte 3");
  CHECK(json_refusal("\"a\0b\""sv) == "not JSON at byte 3");
  CHECK(json_refusal("\xEF\xBB\xBF{}") == "not JSON at byte 1");
  CHECK(json_refusal("{}\xEF\xBB\xBF").starts_with("not JSON at byte "));
  CHECK(json_refusal(R"("a\u0000b")").starts_with("accepted"));
}

TEST_CASE("a member that an object has twice is refused, at any depth") {
  CHECK(json_refusal(R"({"a":1,"a":2})") == "an object has a member twice");
  CHECK(json_refusal(R"([{"x":{"a":1,"b":2,"\u0061":1}}])") == "an object has a member twice");
  CHECK(json_refusal(R"({"a":{"a":1},"b":{"a":1}})") == R"(accepted {"a":{"a":1},"b":{"a":1}})");
}

TEST_CASE("nesting, size and numbers have limits") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(json_refusal(nested(kMaxJsonDepth)).starts_with("accepted"));
  CHECK(json_refusal(nested(kMaxJsonDepth + 1)) == "more than 32 levels deep");
  CHECK(parse_json(std::string(1 << 20, '['), 1 << 20).error().message == "more than 32 levels deep");
  CHECK(json_refusal(std::string(1001, ' ')) == "1001 bytes, more than 1000");
  CHECK(json_refusal("1e999") == "a number is out of range");
  CHECK(json_refusal("-1e999") == "a number is out of range");
  CHECK(json_refusal("123456789012345678901234567890").starts_with("accepted 1.2345"));
}

TEST_CASE("a long list of objects is read in linear time") {
  std::string text = "[{}";
  for (int i = 0; i < 200'000; ++i) text += ",{}";
  const auto value = parse_json(text + "]", 1 << 20);
  REQUIRE(value);
  CHECK(value->size() == 200'001);
}
