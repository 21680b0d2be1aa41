#include "config/hcl_lexer.hh"

#include "support/catch.hh"

namespace spiffe::config {

namespace {

using Kind = HclToken::Kind;

// Kinds and texts of all tokens, "kind:text" separated by spaces; or the error's message.
std::string tokens(std::string_view text) {
  HclLexer lexer(text, "f");
  std::string out;
  for (;;) {
    const auto token = lexer.next();
    if (!token) return token.error().message;
    if (token->kind == Kind::end) return out;
    constexpr std::string_view kNames = ".nirbthLRlrc=";
    out += (out.empty() ? "" : " ") + std::string(1, kNames[static_cast<std::size_t>(token->kind)]);
    out += ":" + token->text;
  }
}

// The content of the only string or heredoc in `text`.
std::string content(std::string_view text) {
  HclLexer lexer(text, "f");
  const auto token = lexer.next();
  if (!token) return token.error().message;
  CHECK((token->kind == Kind::text || token->kind == Kind::heredoc));
  return token->text;
}

}  // namespace

TEST_CASE("the lexer finds every kind of token") {
  CHECK(tokens("a = { b [ ] , }") == "n:a =:= l:{ n:b L:[ R:] c:, r:}");
  CHECK(tokens("a-b a.b _a A1") == "n:a-b n:a.b n:_a n:A1");
  CHECK(tokens("true false truely True") == "b:true b:false n:truely n:True");
  CHECK(tokens("\"a\"\"b\"") == "t:a t:b");
  CHECK(tokens("") == "");
}

TEST_CASE("numbers keep their spelling") {
  CHECK(tokens("0 7 -5 0644 08 0x1F 0X1f -0x1") == "i:0 i:7 i:-5 i:0644 i:08 i:0x1F i:0X1f i:-0x1");
  CHECK(tokens("1.5 .5 1e3 1.5e-3 0.1 1.") == "r:1.5 r:.5 r:1e3 r:1.5e-3 r:0.1 r:1.");
  CHECK(tokens("[1,2]") == "L:[ i:1 c:, i:2 R:]");
  CHECK(tokens("0o644") == "f:1:1: 0o644 is not a number");
  CHECK(tokens("0x") == "f:1:1: 0x is not a number");
  CHECK(tokens("1_000") == "f:1:1: 1_000 is not a number");
  CHECK(tokens("-") == "f:1:1: unexpected character \"-\"");
}

TEST_CASE("comments of every style are skipped") {
  CHECK(tokens("# x\na // y\n/* z\n * z */ b /**/ c /***/ # end") == "n:a n:b n:c");
  CHECK(tokens("a #") == "n:a");
  CHECK(tokens("/* a") == "f:1:1: this comment is never closed");
  CHECK(tokens("/*/") == "f:1:1: this comment is never closed");
}

TEST_CASE("strings support Go's escapes") {
  CHECK(content(R"("\a\b\f\n\r\t\v\\\"")") == "\a\b\f\n\r\t\v\\\"");
  CHECK(content(R"("\x41\101\u00e9\U0001F600")") == "AA\xC3\xA9\xF0\x9F\x98\x80");
  CHECK(content(R"("\377")") == "\xFF");
  CHECK(content(R"("\ud800")") == "\xEF\xBF\xBD");
  CHECK(content("\"\xC3\xA9\"") == "\xC3\xA9");
  CHECK(content(R"("\q")") == R"(f:1:2: unknown escape "\\q")");
  CHECK(content(R"("\')") == R"(f:1:2: unknown escape "\\'")");
}

TEST_CASE("interpolations are kept unchanged") {
  CHECK(content(R"("a${b}c")") == "a${b}c");
  CHECK(content(R"("a${"x"}c")") == R"(a${"x"}c)");
  CHECK(content(R"("${ {a} \n }\n")") == "${ {a} \\n }\n");
  CHECK(content("\"${\n}\"") == "${\n}");
  CHECK(content(R"("$${x}")") == "$${x}");
  CHECK(content(R"("$")") == "$");
  CHECK(content(R"("${\q}")") == R"(f:1:4: unknown escape "\\q")");
}

TEST_CASE("heredocs keep their last line end") {
  CHECK(content("<<EOF\nfoo\n  bar\nEOF\n") == "foo\n  bar\n");
  CHECK(content("<<EOF\nEOF\n") == "");
  CHECK(content("<<EOF\n\nEOF\n") == "\n");
  CHECK(content("<<EOF\nfoo\nEOF") == "foo\n");
  CHECK(content("<<EOF\nEOFX\n EOF X\nEOF\n") == "EOFX\n EOF X\n");
  // As in the Go helper, an indented anchor ends a plain heredoc, and the white space before it is kept.
  CHECK(content("<<EOF\nfoo\n  EOF\n") == "foo\n  ");
  CHECK(content("<<EOF\n\"${\\q\nEOF\n") == "\"${\\q\n");
}

TEST_CASE("indented heredocs lose the indentation of their anchor, if all lines have it") {
  CHECK(content("<<-EOF\n    foo\n      bar\n    EOF\n") == "foo\n  bar\n");
  CHECK(content("<<-EOF\n  foo\n EOF\n") == " foo\n");
  CHECK(content("<<-EOF\n  foo\n\n  bar\n  EOF\n") == "  foo\n\n  bar\n");
  CHECK(content("<<-EOF\nfoo\n  EOF\n") == "foo\n");
  CHECK(content("<<-EOF\n  EOF\n") == "");
  CHECK(content("<<-EOF\n  foo\nEOF\n  EOF\n") == "  foo\nEOF\n");
  CHECK(content("<<-EOF\n  foo\nEOF\n") == "f:1:1: this heredoc is never closed");
}

TEST_CASE("positions count characters, not bytes") {
  HclLexer lexer("\n  \"\xC3\xA9\xC3\xA9\" x", "f");
  CHECK(lexer.next()->at == Position{2, 3});
  CHECK(lexer.next()->at == Position{2, 8});
  CHECK(lexer.next()->at == Position{2, 9});
}

}  // namespace spiffe::config
