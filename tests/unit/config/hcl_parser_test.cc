#include "config/hcl_parser.hh"

#include "support/catch.hh"

namespace spiffe::config {

namespace {

// The tree in one line: {key=value …}, quoted keys as "key", labels after their key.
std::string show(const Value& value) {
  std::string out;
  switch (value.kind) {
    case Value::Kind::null:
      return "null";
    case Value::Kind::text:
      return "'" + value.text + "'";
    case Value::Kind::integer:
    case Value::Kind::real:
      return value.text;
    case Value::Kind::boolean:
      return value.boolean ? "true" : "false";
    case Value::Kind::list:
      for (const Value& item : value.items) out += (out.empty() ? "" : " ") + show(item);
      return "[" + out + "]";
    case Value::Kind::object:
      for (const Entry& entry : value.entries) {
        out += (out.empty() ? "" : " ") + (entry.quoted ? '"' + entry.key + '"' : entry.key);
        for (const std::string& label : entry.labels) out += ":" + label;
        out += "=" + show(entry.value);
      }
      return "{" + out + "}";
  }
  return out;
}

std::string tree(std::string_view text) {
  const auto document = parse_hcl(text, "f");
  return document ? show(document->root) : document.error().message;
}

}  // namespace

TEST_CASE("attributes are separated by line ends, spaces or commas") {
  CHECK(tree("a = 1\nb = 2") == "{a=1 b=2}");
  CHECK(tree("a = 1 b = 2") == "{a=1 b=2}");
  CHECK(tree("a=\"x\"b=\"y\"") == "{a='x' b='y'}");
  CHECK(tree("a = 1, b = 2,") == "{a=1 b=2}");
  CHECK(tree("a\n=\n# why\n1") == "{a=1}");
  CHECK(tree("a = 1\r\nb = 2\r\n") == "{a=1 b=2}");
  CHECK(tree("") == "{}");
  CHECK(tree(" # nothing\n") == "{}");
}

TEST_CASE("values are strings, numbers, booleans, lists and objects") {
  CHECK(tree("a = \"x\" b = 0644 c = 1.5 d = true e = []") == "{a='x' b=0644 c=1.5 d=true e=[]}");
  CHECK(tree("a = [1, \"x\", true, [2], {b = 3}]") == "{a=[1 'x' true [2] {b=3}]}");
  CHECK(tree("a = [\n  1,\n  2,\n]") == "{a=[1 2]}");
  CHECK(tree("a = [1,,2]") == "{a=[1 2]}");
  CHECK(tree("a = <<EOF\nx\nEOF\nb = 1") == "{a='x\n' b=1}");
  CHECK(tree("a = <<EOF\r\nx\r\nEOF\r\n") == "{a='x\n'}");
}

TEST_CASE("blocks and objects give the same tree") {
  CHECK(tree("a { b = 1, c = 2 }") == "{a={b=1 c=2}}");
  CHECK(tree("a = { b = 1 c = 2, }") == "{a={b=1 c=2}}");
  CHECK(tree("a {} a {}") == "{a={} a={}}");
  CHECK(tree("a \"x\" y { b = 1 }") == "{a:x:y={b=1}}");
  CHECK(tree("\"a\" = 1 \"b\" { }") == "{\"a\"=1 \"b\"={}}");
}

TEST_CASE("duplicates are kept in order") {
  CHECK(tree("a = 1 A = 2 a = 3") == "{a=1 A=2 a=3}");
}

TEST_CASE("values carry their positions") {
  const auto document = parse_hcl("a = 1\n  \"b\" {\n    c = [2]\n  }\n", "f");
  REQUIRE(document);
  const Entry& b = document->root.entries[1];
  CHECK(document->root.entries[0].value.at == Position{1, 5});
  CHECK(b.at == Position{2, 3});
  CHECK(b.value.at == Position{2, 7});
  CHECK(b.value.entries[0].value.items[0].at == Position{3, 10});
}

TEST_CASE("content that no document may have is refused with its place") {
  CHECK(tree("a = \"\xFF\"") == "f:1:6: this is not valid UTF-8");
  CHECK(tree("# \xC3\n") == "f:1:3: this is not valid UTF-8");
  CHECK(tree(std::string("a = 1\n\0", 7)) == "f:2:1: a NUL byte");
  CHECK(tree("a \"b\" = 1") == "f:1:1: expected \"=\" after \"a\", found \"b\"");
  CHECK(tree("{}") == "f:1:1: expected a key, found \"{\"");
  CHECK(tree("1 = 2") == "f:1:1: expected a key, found \"1\"");
  CHECK(tree("a = }") == "f:1:5: expected a value for a, found \"}\"");
}

TEST_CASE("depth and size are limited") {
  const std::string deep(64, '[');
  CHECK(tree("a = " + deep + std::string(64, ']')).starts_with("{a=[[["));
  CHECK(tree("a = [" + deep + std::string(65, ']')) == "f:1:69: more than 64 levels deep");
  CHECK(tree("a = " + std::string(500000, '[')) == "f:1:69: more than 64 levels deep");
  std::string blocks;
  for (int i = 0; i < 100000; ++i) blocks += "a {";
  CHECK(tree(blocks) == "f:1:195: more than 64 levels deep");
  CHECK(tree(std::string(1 << 20, ' ')) == "{}");
  CHECK(tree(std::string((1 << 20) + 1, ' ')) ==
        "f: this is larger than 1 MiB, the most a configuration may have");
}

}  // namespace spiffe::config
