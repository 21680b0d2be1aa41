#include "config/yaml_scalar.hh"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "base/text.hh"
#include "config/integer.hh"

namespace spiffe::config {

namespace {

using Kind = Value::Kind;
using Words = std::span<const std::string_view>;

constexpr std::array<std::string_view, 5> kNull = {"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 3> kTrue = {"true", "True", "TRUE"};
constexpr std::array<std::string_view, 3> kFalse = {"false", "False", "FALSE"};
constexpr std::array<std::string_view, 2> kOldTrue = {"yes", "on"};
constexpr std::array<std::string_view, 2> kOldFalse = {"no", "off"};

bool is_one_of(std::string_view text, Words words) {
  return std::ranges::find(words, text) != words.end();
}

std::string_view without_sign(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

bool is_integer(std::string_view text) {
  const std::string_view digits = without_sign(text);
  if (digits.empty() || !is_digit(digits[0])) return false;
  return std::ranges::all_of(digits, is_digit) || parse_integer(text).has_value();
}

// "1.5", ".5", "1e3", ".inf".
bool is_real(std::string_view text) {
  std::string_view rest = without_sign(text);
  const std::string small = lower(rest);
  if (small == ".inf" || small == ".nan") return true;
  std::size_t digits = 0;
  const auto skip_digits = [&] {
    while (!rest.empty() && is_digit(rest[0])) {
      rest.remove_prefix(1);
      ++digits;
    }
  };
  skip_digits();
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    skip_digits();
  }
  if (digits == 0) return false;
  if (rest.starts_with('e') || rest.starts_with('E')) {
    rest = without_sign(rest.substr(1));
    digits = 0;
    skip_digits();
  }
  return rest.empty() && digits > 0;
}

}  // namespace

Result<Value> plain_yaml_value(std::string_view text, std::string_view source, Position at) {
  if (is_one_of(text, kNull)) return Value::of_kind(Kind::null, at);
  if (is_one_of(text, kTrue) || is_one_of(text, kFalse)) return Value::of_boolean(is_one_of(text, kTrue), at);
  const std::string small = lower(text);
  if (is_one_of(small, kOldTrue) || is_one_of(small, kOldFalse)) {
    const std::string meaning = is_one_of(small, kOldTrue) ? "true" : "false";
    return fail_at(source, at,
                   quote(text) + " is a boolean in YAML 1.1, and a string in YAML 1.2: be explicit",
                   "write " + meaning + ", or " + quote(text) + " in quotes if it is a string");
  }
  if (is_integer(text)) return Value::of_integer(std::string(text), at);
  Value value = Value::of_text(std::string(text), at);
  if (is_real(text)) value.kind = Kind::real;
  return value;
}

bool is_plain_yaml_text(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto safe = [&](char c) {
    constexpr std::string_view kMarks = "_./-+";
    return letter(c) || is_digit(c) || kMarks.contains(c);
  };
  if (text.empty() || !(letter(text[0]) || text[0] == '/' || text[0] == '_')) return false;
  // YAML 1.1 defines "y" and "n" as booleans, though few programs read them so.
  const std::string small = lower(text);
  if (small == "y" || small == "n" || !std::ranges::all_of(text, safe)) return false;
  const auto value = plain_yaml_value(text, "", {});
  return value && value->kind == Kind::text;
}

}  // namespace spiffe::config
