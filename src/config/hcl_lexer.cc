#include "config/hcl_lexer.hh"

#include <cctype>
#include <utility>
#include <vector>

#include "base/text.hh"

namespace spiffe::config {

namespace {

using TokenKind = HclToken::Kind;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The character of a one-letter escape, 0 if the escape is not valid.
char simple_escape(char c) {
  switch (c) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '\\':
    case '"':
      return c;
    default:
      return 0;
  }
}

std::string hint_for(char c) {
  switch (c) {
    case '\'':
    case '.':
    case '$':
    case '@':
    case '~':
      return "strings need double quotes";
    case '/':
      return "strings need double quotes, comments begin with # or //";
    case ':':
      return "HCL writes key = value";
    case ';':
      return "HCL needs nothing at the end of a line";
    case '\xE2':
      return "typographic quotes are not quotes: use \"";
    default:
      return {};
  }
}

// The value of a `<<-` heredoc: if every line begins with the indentation of the last line (the one with the
// anchor), it is removed from all; otherwise the lines stay as they are.
std::string unindent(const std::vector<std::string_view>& lines, std::string_view indentation) {
  bool all = true;
  for (const std::string_view line : lines) all = all && line.starts_with(indentation);
  std::string out;
  for (const std::string_view line : lines) {
    out += all ? line.substr(indentation.size()) : line;
    out += '\n';
  }
  return out;
}

const char* const kAnchorSpace = " \t\v\f\r";

// Whether `line` ends the heredoc; `indentation` is then the white space before the anchor.
bool closes_heredoc(std::string_view line, std::string_view anchor, bool indented,
                    std::string_view& indentation) {
  // The Go scanner compares with the length of "-EOF", so an anchor in the first column does not end the
  // heredoc.
  if (indented && line.size() <= anchor.size()) return false;
  const std::size_t start = line.find_first_not_of(kAnchorSpace);
  if (start == std::string_view::npos || !line.substr(start).starts_with(anchor)) return false;
  if (line.substr(start + anchor.size()).find_first_not_of('\r') != std::string_view::npos) return false;
  indentation = line.substr(0, start);
  return true;
}

}  // namespace

Result<HclToken> HclLexer::next() {
  if (auto skipped = skip_space_and_comments(); !skipped) return std::unexpected(skipped.error());
  const char c = cursor_.peek();
  if (cursor_.at_end()) return HclToken{TokenKind::end, cursor_.position(), {}};
  if (is_letter(c)) return name();
  const bool signed_number = c == '-' && is_digit(cursor_.peek(1));
  const bool fraction = c == '.' && is_digit(cursor_.peek(1));
  if (is_digit(c) || signed_number || fraction) return number();
  if (c == '"') return string();
  if (c == '<') return heredoc();
  return punctuation();
}

Result<void> HclLexer::skip_space_and_comments() {
  for (;;) {
    const Position start = cursor_.position();
    const std::size_t from = cursor_.offset();
    if (is_space(cursor_.peek())) {
      cursor_.advance();
    } else if (cursor_.peek() == '#' || cursor_.looking_at("//")) {
      while (!cursor_.at_end() && cursor_.peek() != '\n') cursor_.advance();
      const std::string_view all = cursor_.since(from);
      comments_.push_back({start, std::string(all.substr(all.starts_with('#') ? 1 : 2))});
    } else if (cursor_.looking_at("/*")) {
      cursor_.advance(2);
      while (!cursor_.at_end() && !cursor_.looking_at("*/")) cursor_.advance();
      if (cursor_.at_end())
        return fail_at(source_, start, "this comment is never closed", "close it with */");
      comments_.push_back({start, std::string(cursor_.since(from).substr(2))});
      cursor_.advance(2);
    } else {
      return {};
    }
  }
}

Result<HclToken> HclLexer::name() {
  const Position at = cursor_.position();
  const std::size_t start = cursor_.offset();
  const auto belongs = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; };
  while (belongs(cursor_.peek())) cursor_.advance();
  HclToken token{TokenKind::name, at, std::string(cursor_.since(start))};
  if (token.text == "true" || token.text == "false") token.kind = TokenKind::boolean;
  return token;
}

// Decimal, 0octal, 0xhex, 1.5, .5, 1e3, each with an optional minus. The binder interprets the digits.
Result<HclToken> HclLexer::number() {
  const Position at = cursor_.position();
  const std::size_t start = cursor_.offset();
  TokenKind kind = TokenKind::integer;
  const auto digits = [this] {
    while (is_digit(cursor_.peek())) cursor_.advance();
  };
  if (cursor_.peek() == '-') cursor_.advance();
  if (cursor_.peek() == '0' && (cursor_.peek(1) == 'x' || cursor_.peek(1) == 'X') &&
      hex_digit(cursor_.peek(2)) >= 0) {
    cursor_.advance(2);
    while (hex_digit(cursor_.peek()) >= 0) cursor_.advance();
  } else {
    digits();
    if (cursor_.peek() == '.') {
      kind = TokenKind::real;
      cursor_.advance();
      digits();
    }
    const char sign = cursor_.peek(1);
    const bool exponent = is_digit(sign) || ((sign == '+' || sign == '-') && is_digit(cursor_.peek(2)));
    if ((cursor_.peek() == 'e' || cursor_.peek() == 'E') && exponent) {
      kind = TokenKind::real;
      cursor_.advance(2);
      digits();
    }
  }
  const std::size_t end = cursor_.offset();
  while (is_letter(cursor_.peek()) || is_digit(cursor_.peek())) cursor_.advance();
  const std::string_view all = cursor_.since(start);
  if (cursor_.offset() == end) return HclToken{kind, at, std::string(all)};
  const std::string hint = all.starts_with("0o")
                               ? "write 0" + std::string(all.substr(2)) + ", or " + quote(all)
                               : "if it is a string, write " + quote(all);
  return fail_at(source_, at, std::string(all) + " is not a number", hint);
}

Result<HclToken> HclLexer::string() {
  HclToken token{TokenKind::text, cursor_.position(), {}};
  cursor_.advance();
  while (cursor_.peek() != '"') {
    if (cursor_.at_end() || cursor_.peek() == '\n') {
      return fail_at(source_, token.at, "this string is not closed on its line",
                     "end it with \", or write \\n");
    }
    if (cursor_.looking_at("${")) {
      if (auto copied = interpolation(token.text, token.at); !copied) return std::unexpected(copied.error());
    } else if (cursor_.peek() == '\\') {
      if (auto done = escape_sequence(token.text); !done) return std::unexpected(done.error());
    } else {
      token.text += cursor_.peek();
      cursor_.advance();
    }
  }
  cursor_.advance();
  return token;
}

// "${ … }" is kept unchanged, including quotes, line ends and nested braces.
Result<void> HclLexer::interpolation(std::string& out, Position string_start) {
  const std::size_t start = cursor_.offset();
  int braces = 0;
  std::string ignored;
  do {
    if (cursor_.at_end()) {
      return fail_at(source_, string_start, "this string is never closed: a ${ in it has no }");
    }
    const char c = cursor_.peek();
    if (c == '\\') {
      if (auto done = escape_sequence(ignored); !done) return done;
      continue;
    }
    if (c == '$' && braces == 0) {
      cursor_.advance();
    }
    if (cursor_.peek() == '{') ++braces;
    if (cursor_.peek() == '}') --braces;
    cursor_.advance();
  } while (braces > 0);
  out += cursor_.since(start);
  return {};
}

Result<void> HclLexer::escape_sequence(std::string& out) {
  const Position start = cursor_.position();
  const char c = cursor_.peek(1);
  if (const char simple = simple_escape(c); simple != 0) {
    out += simple;
    cursor_.advance(2);
    return {};
  }
  if (c >= '0' && c <= '7') return octal_escape(out, start);
  if (c == 'x') return hex_escape(out, start, 2);
  if (c == 'u') return hex_escape(out, start, 4);
  if (c == 'U') return hex_escape(out, start, 8);
  cursor_.advance();
  return fail_at(source_, start, "unknown escape " + quote("\\" + std::string(cursor_.character())),
                 "write \\\\ for a backslash");
}

Result<void> HclLexer::hex_escape(std::string& out, Position start, int digits) {
  const char letter = cursor_.peek(1);
  cursor_.advance(2);
  unsigned long code = 0;
  for (int i = 0; i < digits; ++i) {
    const int digit = hex_digit(cursor_.peek());
    if (digit < 0) {
      return fail_at(source_, start,
                     std::string("\\") + letter + " needs " + std::to_string(digits) + " hexadecimal digits");
    }
    code = code << 4 | static_cast<unsigned long>(digit);
    cursor_.advance();
  }
  if (letter == 'x') {
    out += static_cast<char>(code);
    return {};
  }
  if (code > 0x10FFFF) return fail_at(source_, start, "an escape for a character that does not exist");
  append_utf8(out, code);
  return {};
}

Result<void> HclLexer::octal_escape(std::string& out, Position start) {
  cursor_.advance();
  unsigned code = 0;
  for (int i = 0; i < 3; ++i) {
    const char c = cursor_.peek();
    if (c < '0' || c > '7') return fail_at(source_, start, "an octal escape needs three digits");
    code = code << 3 | static_cast<unsigned>(c - '0');
    cursor_.advance();
  }
  if (code > 0377) return fail_at(source_, start, "an octal escape goes up to \\377");
  out += static_cast<char>(code);
  return {};
}

Result<HclToken> HclLexer::heredoc() {
  HclToken token{TokenKind::heredoc, cursor_.position(), {}};
  if (!cursor_.looking_at("<<")) return punctuation();
  cursor_.advance(2);
  const bool indented = cursor_.peek() == '-';
  if (indented) cursor_.advance();
  const std::size_t start = cursor_.offset();
  while (is_letter(cursor_.peek()) || is_digit(cursor_.peek())) cursor_.advance();
  const std::string_view anchor = cursor_.since(start);
  if (anchor.empty() || cursor_.peek() != '\n') {
    return fail_at(source_, token.at, "a heredoc begins with << and a word that ends the line, as in <<EOF");
  }
  cursor_.advance();
  std::vector<std::string_view> lines;
  for (;;) {
    const std::size_t line_start = cursor_.offset();
    while (!cursor_.at_end() && cursor_.peek() != '\n') cursor_.advance();
    const std::string_view line = cursor_.since(line_start);
    std::string_view indentation;
    if (closes_heredoc(line, anchor, indented, indentation)) {
      cursor_.advance();
      token.text = unindent(lines, indented ? indentation : std::string_view());
      // The Go helper keeps white space before the anchor of a plain heredoc.
      if (!indented) token.text += indentation;
      return token;
    }
    if (cursor_.at_end()) {
      return fail_at(source_, token.at, "this heredoc is never closed",
                     "end it with a line that holds " + std::string(anchor) +
                         (indented ? " alone, indented" : " alone"));
    }
    lines.push_back(line);
    cursor_.advance();
  }
}

Result<HclToken> HclLexer::punctuation() {
  HclToken token{TokenKind::end, cursor_.position(), std::string(1, cursor_.peek())};
  switch (cursor_.peek()) {
    case '[':
      token.kind = TokenKind::left_bracket;
      break;
    case ']':
      token.kind = TokenKind::right_bracket;
      break;
    case '{':
      token.kind = TokenKind::left_brace;
      break;
    case '}':
      token.kind = TokenKind::right_brace;
      break;
    case ',':
      token.kind = TokenKind::comma;
      break;
    case '=':
      token.kind = TokenKind::assign;
      break;
    default:
      return fail_at(source_, token.at, "unexpected character " + quote(cursor_.character()),
                     hint_for(cursor_.peek()));
  }
  cursor_.advance();
  return token;
}

}  // namespace spiffe::config
