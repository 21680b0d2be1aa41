#include "config/duration.hh"

#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/text.hh"

namespace spiffe::config {

namespace {

__extension__ using Unsigned = unsigned __int128;

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
// "µs" has two spellings: U+00B5 and U+03BC.
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", 1'000},
                                         {"\xC2\xB5s", 1'000},
                                         {"\xCE\xBCs", 1'000},
                                         {"ms", 1'000'000},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000}}};
constexpr std::uint64_t kLimit = 1ULL << 63;  // the magnitude of the smallest int64

std::string_view take_digits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  const std::string_view digits = text.substr(0, n);
  text.remove_prefix(n);
  return digits;
}

std::unexpected<Error> no_duration() {
  return fail(ErrorKind::config, "is not a duration");
}

// `whole`.`fraction` units in nanoseconds; more than kLimit if it does not fit.
std::uint64_t scale(std::string_view whole, std::string_view fraction, std::int64_t unit) {
  Unsigned total = 0;
  for (const char c : whole) {
    total = total * 10 + static_cast<unsigned>(c - '0');
    if (total > kLimit) return kLimit + 1;
  }
  total *= static_cast<Unsigned>(unit);
  // Digits after the 18th are less than a nanosecond, even for hours.
  Unsigned part = 0;
  Unsigned divisor = 1;
  for (const char c : fraction.substr(0, 18)) {
    part = part * 10 + static_cast<unsigned>(c - '0');
    divisor *= 10;
  }
  total += part * static_cast<Unsigned>(unit) / divisor;
  return total > kLimit ? kLimit + 1 : static_cast<std::uint64_t>(total);
}

// Takes one part, like "1.5h", from the start of `text`; in nanoseconds.
Result<std::uint64_t> take_part(std::string_view& text) {
  const std::string_view whole = take_digits(text);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  if (whole.empty() && fraction.empty()) return no_duration();
  std::size_t length = 0;
  while (length < text.size() && text[length] != '.' && !is_digit(text[length])) ++length;
  const std::string_view name = text.substr(0, length);
  if (name.empty()) return fail(ErrorKind::config, "has no unit");
  text.remove_prefix(length);
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return scale(whole, fraction, unit.nanoseconds);
  }
  return fail(ErrorKind::config, "has the unknown unit " + quote(name), "units are ns, us, ms, s, m and h");
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return no_duration();
  std::uint64_t total = 0;
  while (!text.empty()) {
    const auto part = take_part(text);
    if (!part) return fail(part.error());
    total = *part > kLimit - total ? kLimit + 1 : total + *part;
    if (total > kLimit) return fail(ErrorKind::config, "is longer than 292 years");
  }
  if (!negative && total == kLimit) return fail(ErrorKind::config, "is longer than 292 years");
  return std::chrono::nanoseconds(static_cast<std::int64_t>(negative ? 0 - total : total));
}

namespace {

// `amount` in a unit of `per` parts: "1.5", without trailing zeros.
std::string decimal(std::uint64_t amount, std::uint64_t per) {
  std::string out = std::to_string(amount / per);
  std::string fraction = std::to_string(per + amount % per).substr(1);
  while (fraction.ends_with('0')) fraction.pop_back();
  return fraction.empty() ? out : out + "." + fraction;
}

}  // namespace

std::string format_duration(std::chrono::nanoseconds duration) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const std::int64_t count = duration.count();
  if (count == 0) return "0s";
  const std::string sign = count < 0 ? "-" : "";
  const std::uint64_t n =
      count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
  if (n < 1'000) return sign + std::to_string(n) + "ns";
  if (n < 1'000'000) return sign + decimal(n, 1'000) + "\xC2\xB5s";
  if (n < kSecond) return sign + decimal(n, 1'000'000) + "ms";
  const std::uint64_t minutes = n / kSecond / 60;
  std::string out = decimal(n - minutes * 60 * kSecond, kSecond) + "s";
  if (minutes > 0) out = std::to_string(minutes % 60) + "m" + out;
  if (minutes >= 60) out = std::to_string(minutes / 60) + "h" + out;
  return sign + out;
}

}  // namespace spiffe::config
