#include "config/document.hh"

#include <algorithm>
#include <utility>

#include "base/text.hh"

namespace spiffe::config {

Value Value::of_text(std::string text, Position at) {
  Value value = of_kind(Kind::text, at);
  value.text = std::move(text);
  return value;
}

Value Value::of_integer(std::string spelling, Position at) {
  Value value = of_kind(Kind::integer, at);
  value.text = std::move(spelling);
  return value;
}

Value Value::of_boolean(bool boolean, Position at) {
  Value value = of_kind(Kind::boolean, at);
  value.boolean = boolean;
  return value;
}

Value Value::of_kind(Kind kind, Position at) {
  Value value;
  value.kind = kind;
  value.at = at;
  return value;
}

void Value::add(std::string key, Value value) {
  Entry entry;
  entry.key = std::move(key);
  entry.value = std::move(value);
  entries.push_back(std::move(entry));
}

bool Value::same_as(const Value& other) const {
  return kind == other.kind && text == other.text && boolean == other.boolean &&
         std::ranges::equal(items, other.items,
                            [](const Value& a, const Value& b) { return a.same_as(b); }) &&
         std::ranges::equal(entries, other.entries, [](const Entry& a, const Entry& b) {
           return a.key == b.key && a.value.same_as(b.value);
         });
}

std::string place(std::string_view source, Position at) {
  std::string out = escape(source);
  if (at.line > 0) out += ':' + std::to_string(at.line) + ':' + std::to_string(at.column);
  return out;
}

std::unexpected<Error> fail_at(std::string_view source, Position at, std::string_view message,
                               std::string hint) {
  return fail(ErrorKind::config, place(source, at) + ": " + std::string(message), std::move(hint));
}

std::string quote_short(std::string_view text) {
  constexpr std::size_t kLimit = 60;
  std::size_t end = 0;
  while (end < std::min(kLimit, text.size())) end += std::max<std::size_t>(1, utf8_length(text.substr(end)));
  return quote(text, end);
}

std::string describe(const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
      return "null";
    case Value::Kind::text:
      return "the string " + quote_short(value.text);
    case Value::Kind::integer:
    case Value::Kind::real:
      return "the number " + value.text;
    case Value::Kind::boolean:
      return value.boolean ? "true" : "false";
    case Value::Kind::list:
      return "a list";
    case Value::Kind::object:
      return "an object";
  }
  return {};
}

}  // namespace spiffe::config
