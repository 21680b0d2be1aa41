#include "config/json_reader.hh"

#include <utility>

#include "base/text.hh"
#include "config/text_cursor.hh"

namespace spiffe::config {

namespace {

class JsonReader {
 public:
  JsonReader(std::string_view text, std::string_view source) : cursor_(text), source_(source) {}

  Result<Value> whole() {
    auto root = value();
    if (!root) return root;
    skip_space();
    if (!cursor_.at_end()) return refuse("expected the end of the JSON document, found " + found());
    return root;
  }

 private:
  void skip_space() {
    for (char c = cursor_.peek(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = cursor_.peek()) {
      cursor_.advance();
    }
  }
  [[nodiscard]] std::string found() const {
    if (cursor_.peek() == '"') return "a string";
    return cursor_.at_end() ? "the end of the text" : quote(cursor_.character());
  }
  [[nodiscard]] std::unexpected<Error> refuse(std::string_view message, std::string hint = {}) const {
    return fail_at(source_, cursor_.position(), message, std::move(hint));
  }

  Result<Value> value() {
    skip_space();
    const char c = cursor_.peek();
    if (c == '{') return object();
    if (c == '[') return list();
    if (c == '"') {
      const Position at = cursor_.position();
      auto text = string();
      if (!text) return fail(text.error());
      return Value::of_text(*std::move(text), at);
    }
    if (c == '-' || is_digit(c)) return number();
    for (const std::string_view word : {"true", "false", "null"}) {
      if (!cursor_.looking_at(word)) continue;
      const Position at = cursor_.position();
      cursor_.advance(word.size());
      if (word == "null") return Value::of_kind(Value::Kind::null, at);
      return Value::of_boolean(word == "true", at);
    }
    return refuse("expected a JSON value, found " + found(), c == '\'' ? "strings need double quotes" : "");
  }

  Result<Value> object() {
    Value object = Value::of_kind(Value::Kind::object, cursor_.position());
    if (++depth_ > kMaxDepth) return refuse("more than " + std::to_string(kMaxDepth) + " levels deep");
    cursor_.advance();
    for (;;) {
      skip_space();
      if (cursor_.peek() == '}') break;
      if (cursor_.at_end()) return fail_at(source_, object.at, "this \"{\" is never closed");
      if (auto read = entry(object); !read) return fail(read.error());
      skip_space();
      if (cursor_.peek() == ',') {
        cursor_.advance();
      } else if (!cursor_.at_end() && cursor_.peek() != '}') {
        return refuse("expected \",\" or \"}\" in an object, found " + found());
      }
    }
    cursor_.advance();
    --depth_;
    return object;
  }

  Result<void> entry(Value& object) {
    Entry entry;
    entry.at = cursor_.position();
    entry.quoted = true;
    if (cursor_.peek() != '"') return refuse("expected a key in double quotes, found " + found());
    auto key = string();
    if (!key) return fail(key.error());
    entry.key = *std::move(key);
    skip_space();
    if (cursor_.peek() != ':')
      return refuse("expected \":\" after " + quote(entry.key) + ", found " + found());
    cursor_.advance();
    auto read = value();
    if (!read) return fail(read.error());
    entry.value = *std::move(read);
    object.entries.push_back(std::move(entry));
    return {};
  }

  Result<Value> list() {
    Value list = Value::of_kind(Value::Kind::list, cursor_.position());
    if (++depth_ > kMaxDepth) return refuse("more than " + std::to_string(kMaxDepth) + " levels deep");
    cursor_.advance();
    for (;;) {
      skip_space();
      if (cursor_.peek() == ']') break;
      if (cursor_.at_end()) return fail_at(source_, list.at, "this \"[\" is never closed");
      auto item = value();
      if (!item) return item;
      list.items.push_back(*std::move(item));
      skip_space();
      if (cursor_.peek() == ',') {
        cursor_.advance();
      } else if (!cursor_.at_end() && cursor_.peek() != ']') {
        return refuse("expected \",\" or \"]\" in a list, found " + found());
      }
    }
    cursor_.advance();
    --depth_;
    return list;
  }

  Result<Value> number() {
    Value number = Value::of_kind(Value::Kind::integer, cursor_.position());
    const std::size_t start = cursor_.offset();
    const auto digits = [this] {
      const std::size_t before = cursor_.offset();
      while (is_digit(cursor_.peek())) cursor_.advance();
      return cursor_.offset() > before;
    };
    if (cursor_.peek() == '-') cursor_.advance();
    const bool leading_zero = cursor_.peek() == '0' && is_digit(cursor_.peek(1));
    bool good = digits() && !leading_zero;
    if (cursor_.peek() == '.') {
      number.kind = Value::Kind::real;
      cursor_.advance();
      good = digits() && good;
    }
    if (cursor_.peek() == 'e' || cursor_.peek() == 'E') {
      number.kind = Value::Kind::real;
      cursor_.advance();
      if (cursor_.peek() == '+' || cursor_.peek() == '-') cursor_.advance();
      good = digits() && good;
    }
    number.text = cursor_.since(start);
    if (leading_zero) {
      return fail_at(source_, number.at, number.text + " is not a JSON number: it begins with 0",
                     "write the string " + quote(number.text));
    }
    if (!good) return fail_at(source_, number.at, quote(number.text) + " is not a JSON number");
    return number;
  }

  Result<std::string> string() {
    const Position start = cursor_.position();
    std::string out;
    cursor_.advance();
    while (cursor_.peek() != '"') {
      if (cursor_.at_end() || cursor_.peek() == '\n') {
        return fail_at(source_, start, "this string is not closed on its line",
                       "end it with \", or write \\n");
      }
      if (static_cast<unsigned char>(cursor_.peek()) < 0x20) {
        return refuse("a JSON string may not hold the control character " + found(), "write it as an escape");
      }
      if (cursor_.peek() == '\\') {
        if (auto done = escape_sequence(out); !done) return fail(done.error());
      } else {
        out += cursor_.peek();
        cursor_.advance();
      }
    }
    cursor_.advance();
    return out;
  }

  Result<void> escape_sequence(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
    const Position start = cursor_.position();
    cursor_.advance();
    if (cursor_.peek() == 'u') return unicode_escape(out, start);
    const std::size_t index = kLetters.find(cursor_.peek());
    if (cursor_.at_end() || index == std::string_view::npos) {
      return fail_at(source_, start, "unknown escape " + quote("\\" + std::string(cursor_.character())),
                     "write \\\\ for a backslash");
    }
    out += kMeaning[index];
    cursor_.advance();
    return {};
  }

  // Characters above U+FFFF are two escapes, a surrogate pair.
  Result<void> unicode_escape(std::string& out, Position start) {
    auto code = four_digits(start);
    if (!code) return fail(code.error());
    if (*code >= 0xD800 && *code < 0xDC00 && cursor_.looking_at("\\u")) {
      cursor_.advance();
      const auto low = four_digits(start);
      if (!low) return fail(low.error());
      if (*low < 0xDC00 || *low > 0xDFFF) return fail_at(source_, start, "half of a surrogate pair");
      append_utf8(out, 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00));
      return {};
    }
    if (*code >= 0xD800 && *code <= 0xDFFF) return fail_at(source_, start, "half of a surrogate pair");
    append_utf8(out, *code);
    return {};
  }

  // Skips 'u' and its digits.
  Result<unsigned long> four_digits(Position start) {
    cursor_.advance();
    unsigned long code = 0;
    for (int i = 0; i < 4; ++i) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      const std::size_t digit = kDigits.find(lower(cursor_.character()));
      if (cursor_.at_end() || digit == std::string_view::npos) {
        return fail_at(source_, start, "\\u needs 4 hexadecimal digits");
      }
      code = code << 4 | digit;
      cursor_.advance();
    }
    return code;
  }

  TextCursor cursor_;
  std::string_view source_;
  int depth_ = 0;
};

}  // namespace

Result<Value> parse_json_value(std::string_view text, std::string_view source) {
  if (auto good = check_text(text, source); !good) return fail(good.error());
  return JsonReader(text, source).whole();
}

Result<Document> parse_json(std::string_view text, std::string source) {
  auto root = parse_json_value(text, source);
  if (!root) return fail(root.error());
  if (root->kind != Value::Kind::object) {
    return fail_at(source, root->at, "a JSON configuration is an object, found " + describe(*root));
  }
  return Document{std::move(source), Syntax::json, *std::move(root), {}};
}

}  // namespace spiffe::config
