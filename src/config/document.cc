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

namespace {

Result<void> check_utf8_of(const Value& value, const std::string& key, std::string_view format) {
  for (std::size_t i = 0; i < value.text.size();) {
    const std::size_t n = utf8_length(std::string_view(value.text).substr(i));
    if (n == 0) {
      return fail(ErrorKind::config,
                  key + " is not valid UTF-8, and " + std::string(format) + " has no way to write it");
    }
    i += n;
  }
  for (const Value& item : value.items) {
    if (auto good = check_utf8_of(item, key, format); !good) return good;
  }
  for (const Entry& entry : value.entries) {
    const std::string name = key.empty() ? escape(entry.key) : key + "." + escape(entry.key);
    if (auto good = check_utf8_of(entry.value, name, format); !good) return good;
  }
  return {};
}

}  // namespace

Result<void> check_utf8(const Value& object, std::string_view format) {
  return check_utf8_of(object, "", format);
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
