// Makes text from untrusted sources safe to show; small string helpers.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spiffe {

// `text` with escapes ("\x1b", "\u202e") for invalid UTF-8, control characters and characters that mislead
// the reader.
[[nodiscard]] std::string escape(std::string_view text);

// As Go's strconv.Quote: double quotes around escape(text), with '"' and '\' escaped too.
[[nodiscard]] std::string quote(std::string_view text);

// The same for the first `most` bytes, followed by "…" if there are more.
[[nodiscard]] std::string escape(std::string_view text, std::size_t most);
[[nodiscard]] std::string quote(std::string_view text, std::size_t most);

// The number of bytes of the valid UTF-8 sequence at the start of `text`; 0 if it is invalid or empty.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

// An ASCII digit, whatever the locale.
[[nodiscard]] constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

[[nodiscard]] std::string lower(std::string_view text);

// Joins alternatives: "a, b or c".
[[nodiscard]] std::string one_of(std::span<const std::string_view> words);

// The candidate that `word` probably means: a likely typo by edit distance, or a shortened or extended form
// ("key_file_name" for "svid_key_file_name"). The first of equally good ones; "" if there is none.
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// Upper-case hexadecimal pairs, no separators.
[[nodiscard]] std::string hex(std::span<const std::byte> bytes);

}  // namespace spiffe
