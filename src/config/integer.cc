#include "config/integer.hh"

#include <charconv>
#include <limits>
#include <string>

#include "base/text.hh"

namespace spiffe::config {

namespace {

// Removes the prefix and returns the base.
int take_prefix(std::string& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  const char letter = digits[1];
  const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
  digits.erase(0, base == 0 ? 1 : 2);
  return base == 0 ? 8 : base;
}

// Removes "_", which may stand once between digits, or between a prefix and digits.
bool take_underscores(std::string& digits) {
  if (digits.find('_') == std::string::npos) return true;
  if (digits.ends_with('_') || digits.find("__") != std::string::npos) return false;
  std::erase(digits, '_');
  return true;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::string digits = lower(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  const std::size_t length = digits.size();
  const int base = take_prefix(digits);
  const bool prefixed = digits.size() < length;
  if (!prefixed && digits.starts_with('_')) return std::nullopt;
  if (!take_underscores(digits)) return std::nullopt;
  std::uint64_t value = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, value, base);
  if (digits.empty() || error != std::errc{} || end != last) return std::nullopt;
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value > kMax + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<std::int64_t>(negative ? 0 - value : value);
}

}  // namespace spiffe::config
