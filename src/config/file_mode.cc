#include "config/file_mode.hh"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/text.hh"
#include "config/integer.hh"

namespace spiffe::config {

namespace {

using Kind = Value::Kind;

constexpr std::array<std::int64_t, 8> kDecimalHabit = {256, 288, 292, 384, 416, 420, 432, 436};

std::string octal(std::int64_t mode) {
  return fmt::format("0{:03o}", mode);
}

bool is_octal(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '7'; });
}

// The recommended way to write a mode in the syntax of `in`.
std::string advice(const Reading& in, std::int64_t mode) {
  if (in.syntax == Syntax::hcl) return octal(mode);
  const bool prefixed = in.syntax == Syntax::toml || in.syntax == Syntax::yaml;
  return prefixed ? "0o" + octal(mode).substr(1) : '"' + octal(mode) + '"';
}

std::optional<std::int64_t> from_string(std::string_view text) {
  const std::string small = lower(text);
  if (small.starts_with("0x") || small.starts_with("0b")) return parse_integer(small);
  std::string_view digits = small;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  if (digits.starts_with("0o")) digits.remove_prefix(2);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  if (!is_octal(digits) || error != std::errc{}) return std::nullopt;
  return negative ? -value : value;
}

// The mode meant by a number without a prefix. Warns if that is a guess.
std::int64_t guess(const Reading& in, std::int64_t number) {
  if (std::ranges::find(kDecimalHabit, number) != kDecimalHabit.end()) return number;
  const std::string& text = in.value.text;
  if (text.size() != 3 || !is_octal(text)) {
    if (number > 0777) return number;  // the warning about its upper bits covers it
    in.warn(fmt::format(" = {} is read as decimal, {}: write {}", text, octal(number), advice(in, number)),
            kConvertHint);
    return number;
  }
  const std::int64_t meant = from_string(text).value_or(0);
  in.warn(fmt::format(" = {} is read as {}: write {}", text, octal(meant), advice(in, meant)), kConvertHint);
  return meant;
}

}  // namespace

Result<mode_t> read_mode(const Reading& in, mode_t fallback, KeyFile key_file) {
  const Value& value = in.value;
  std::optional<std::int64_t> mode;
  if (value.kind == Kind::integer) mode = parse_integer(value.text);
  if (value.kind == Kind::text) mode = from_string(value.text);
  if (!mode) return in.must_be("a file mode such as " + advice(in, fallback));
  if (*mode < 0) return in.refuse("must not be negative: " + value.text);
  if (*mode == 0) return fallback;
  if (value.kind == Kind::integer && !value.text.starts_with('0')) {
    const std::size_t warnings = in.warnings.size();
    mode = guess(in, *mode);
    if (key_file == KeyFile::yes && (*mode & 07) != 0) {
      in.warnings.resize(warnings);
      const std::int64_t safe = (*mode & 0770) == 0 ? 0600 : *mode & 0770;
      return in.refuse(
          fmt::format("= {} is read as {}, which gives others access to the key", value.text, octal(*mode)),
          fmt::format("write {}, or {} if that is meant", advice(in, safe), advice(in, *mode)));
    }
  }
  if (*mode > 0777) {
    in.warn(
        fmt::format(" = {}: the bits above 0777 are dropped, {} is left", value.text, octal(*mode & 0777)));
  }
  if ((*mode & 0777) == 0) return in.refuse("= " + value.text + " gives nobody access");
  return static_cast<mode_t>(*mode & 0777);
}

Value show_mode(mode_t mode) {
  return Value::of_text(octal(mode));
}

}  // namespace spiffe::config
