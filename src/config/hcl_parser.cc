#include "config/hcl_parser.hh"

#include <utility>

#include "base/text.hh"
#include "config/hcl_lexer.hh"

namespace spiffe::config {

namespace {

using TokenKind = HclToken::Kind;

std::string shown(const HclToken& token) {
  switch (token.kind) {
    case TokenKind::end:
      return "the end of the file";
    case TokenKind::text:
      return "the string " + quote_short(token.text);
    case TokenKind::heredoc:
      return "a heredoc";
    default:
      return quote(token.text);
  }
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view source) : lexer_(text, source), source_(source) {}

  Result<Value> document() {
    Value root = Value::of_kind(Value::Kind::object, {1, 1});
    if (auto read = advance(); !read) return fail(read.error());
    while (token_.kind != TokenKind::end) {
      if (auto read = entry(root); !read) return fail(read.error());
    }
    return root;
  }
  [[nodiscard]] const std::vector<Comment>& comments() const { return lexer_.comments(); }

 private:
  Result<void> advance() {
    auto token = lexer_.next();
    if (!token) return fail(token.error());
    last_line_ = token_.at.line;
    token_ = *std::move(token);
    return {};
  }

  [[nodiscard]] std::unexpected<Error> refuse(const std::string& message, std::string hint = {}) const {
    return fail_at(source_, token_.at, message, std::move(hint));
  }

  // key = value, key { … } or key "label" { … }, with an optional comma.
  Result<void> entry(Value& object) {
    Entry entry;
    if (auto read = key(entry); !read) return read;
    if (token_.kind == TokenKind::assign) {
      if (auto read = advance(); !read) return read;
      auto read = value("a value for " + entry.key);
      if (!read) return fail(read.error());
      entry.value = *std::move(read);
    } else {
      auto read = this->object();
      if (!read) return fail(read.error());
      entry.value = *std::move(read);
    }
    object.entries.push_back(std::move(entry));
    return token_.kind == TokenKind::comma ? advance() : Result<void>();
  }

  Result<void> key(Entry& entry) {
    if (token_.kind != TokenKind::name && token_.kind != TokenKind::text) {
      return refuse("expected a key, found " + shown(token_),
                    token_.kind == TokenKind::right_brace ? "no block is open here" : "");
    }
    entry.key = token_.text;
    entry.at = token_.at;
    entry.quoted = token_.kind == TokenKind::text;
    if (auto read = advance(); !read) return read;
    while (token_.kind == TokenKind::name || token_.kind == TokenKind::text) {
      if (token_.at.line != entry.at.line) break;
      entry.labels.push_back(token_.text);
      if (auto read = advance(); !read) return read;
    }
    if (token_.kind == TokenKind::left_brace) return {};
    if (token_.kind == TokenKind::assign && entry.labels.empty()) return {};
    if (!entry.labels.empty()) {
      return fail_at(source_, entry.at,
                     "expected \"=\" after " + quote(entry.key) + ", found " + quote(entry.labels.front()));
    }
    return refuse("expected \"=\" or \"{\" after " + quote(entry.key) + ", found " + shown(token_));
  }

  // `wanted`: the expected value, for messages.
  Result<Value> value(const std::string& wanted) {
    const HclToken token = token_;
    Value value = Value::of_kind(Value::Kind::text, token.at);
    switch (token.kind) {
      case TokenKind::left_brace:
        return object();
      case TokenKind::left_bracket:
        return list();
      case TokenKind::text:
      case TokenKind::heredoc:
        break;
      case TokenKind::integer:
        value.kind = Value::Kind::integer;
        break;
      case TokenKind::real:
        value.kind = Value::Kind::real;
        break;
      case TokenKind::boolean:
        value = Value::of_boolean(token.text == "true", token.at);
        break;
      case TokenKind::name:
        if (token.at.line != last_line_) return refuse("expected " + wanted + ", found the next line");
        return refuse("expected " + wanted + ", found " + shown(token), hint_for_bare_word(token.text));
      default:
        return refuse("expected " + wanted + ", found " + shown(token));
    }
    if (value.kind != Value::Kind::boolean) value.text = token.text;
    if (auto read = advance(); !read) return fail(read.error());
    return value;
  }

  Result<Value> object() {
    Value object = Value::of_kind(Value::Kind::object, token_.at);
    if (++depth_ > kMaxDepth) return refuse("more than " + std::to_string(kMaxDepth) + " levels deep");
    if (auto read = advance(); !read) return fail(read.error());
    while (token_.kind != TokenKind::right_brace) {
      if (token_.kind == TokenKind::end) return fail_at(source_, object.at, "this \"{\" is never closed");
      if (auto read = entry(object); !read) return fail(read.error());
    }
    --depth_;
    if (auto read = advance(); !read) return fail(read.error());
    return object;
  }

  // Commas between items are required; additional ones are allowed.
  Result<Value> list() {
    Value list = Value::of_kind(Value::Kind::list, token_.at);
    if (++depth_ > kMaxDepth) return refuse("more than " + std::to_string(kMaxDepth) + " levels deep");
    if (auto read = advance(); !read) return fail(read.error());
    bool comma_needed = false;
    while (token_.kind != TokenKind::right_bracket) {
      if (token_.kind == TokenKind::end) return fail_at(source_, list.at, "this \"[\" is never closed");
      if (token_.kind == TokenKind::comma) {
        comma_needed = false;
        if (auto read = advance(); !read) return fail(read.error());
        continue;
      }
      if (comma_needed) return refuse("expected \",\" or \"]\" in a list, found " + shown(token_));
      auto item = value("a value in a list");
      if (!item) return fail(item.error());
      list.items.push_back(*std::move(item));
      comma_needed = true;
    }
    --depth_;
    if (auto read = advance(); !read) return fail(read.error());
    return list;
  }

  HclLexer lexer_;
  std::string_view source_;
  HclToken token_;
  int last_line_ = 0;  // of the token before token_
  int depth_ = 0;
};

// The scanner and the values of heredocs expect "\n" as line end.
std::string without_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i];
  }
  return out;
}

}  // namespace

Result<Document> parse_hcl(std::string_view text, std::string source) {
  if (auto good = check_text(text, source); !good) return fail(good.error());
  const std::string plain = without_crlf(text);
  Parser parser(plain, source);
  auto root = parser.document();
  if (!root) return fail(root.error());
  return Document{std::move(source), Syntax::hcl, *std::move(root), parser.comments()};
}

}  // namespace spiffe::config
