#include "base/go_json.hh"

#include "support/catch.hh"

using spiffe::append_go_json;
using spiffe::GoJson;

namespace {

std::string json(std::string_view text, GoJson encoder = GoJson::standard) {
  std::string out;
  append_go_json(out, text, encoder);
  return out;
}

}  // namespace

// The expected texts are what Go 1.26 and go-jose 4.1 print.
TEST_CASE("strings are written as encoding/json writes them") {
  CHECK(json(R"(/tmp/hgo/certs/b<&>"undle.json)") == R"("/tmp/hgo/certs/b\u003c\u0026\u003e\"undle.json")");
  CHECK(json("a\\b\tc\nd\re\bf\fg\x01h\x1fi\x7f") == R"("a\\b\tc\nd\re\bf\fg\u0001h\u001fi)"
                                                     "\x7f\"");
  CHECK(json("h\u00e9\u4e16\u2028\u2029") == "\"h\u00e9\u4e16\\u2028\\u2029\"");
  CHECK(json("x\xff\xc3") == R"("x\ufffd\ufffd")");
  CHECK(json(std::string_view("\0", 1)) == R"("\u0000")");
  CHECK(json("") == R"("")");
}

TEST_CASE("go-jose writes a backspace and a form feed as numbers") {
  CHECK(json("a\bb\fc\nd\re\tf\"<\u2028\xff", GoJson::jose) ==
        R"("a\u0008b\u000cc\nd\re\tf\"\u003c\u2028\ufffd")");
}
