#include "base/text.hh"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace spiffe {

namespace {

// The escape of one byte that cannot be shown, in Go's form.
void append_escaped(std::string& out, unsigned char c) {
  switch (c) {
    case '\a':
      out += "\\a";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\v':
      out += "\\v";
      return;
    default:
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", c);
  }
}

// The code point of a valid multi-byte sequence.
char32_t code_point(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  char32_t out = first & (0xFFU >> (sequence.size() + 1));
  for (const char c : sequence.substr(1)) out = (out << 6) | (static_cast<unsigned char>(c) & 0x3FU);
  return out;
}

// Characters that control a terminal, break a line, change its direction or are invisible, so that the
// displayed text differs from the real one: C1 controls, the soft hyphen, bidirectional marks and embeddings,
// line and paragraph separators, zero-width and tag characters.
bool deceives(char32_t c) {
  struct Range {
    char32_t first;
    char32_t last;
  };
  static constexpr Range kRanges[] = {{0x80, 0x9F},     {0xAD, 0xAD},     {0x61C, 0x61C},
                                      {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},
                                      {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
  return std::ranges::any_of(kRanges, [c](const Range& r) { return c >= r.first && c <= r.last; });
}

bool continuation(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

std::string escape_with(std::string_view text, bool quotes) {
  std::string out;
  out.reserve(text.size() + 2);
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t n = utf8_length(text.substr(i));
    const char32_t wide = n > 1 ? code_point(text.substr(i, n)) : 0;
    if (n == 0 || c < 0x20 || c == 0x7F) {
      append_escaped(out, c);
      i += 1;
    } else if (deceives(wide)) {
      const auto number = static_cast<std::uint32_t>(wide);
      out += number > 0xFFFF ? fmt::format("\\U{:08x}", number) : fmt::format("\\u{:04x}", number);
      i += n;
    } else {
      if (quotes && (c == '"' || c == '\\')) out += '\\';
      out.append(text.substr(i, n));
      i += n;
    }
  }
  return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, substitute}));
    }
  }
  return row[b.size()];
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto c = static_cast<unsigned char>(text[0]);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return continuation(text, 1) ? 2 : 0;
  const unsigned char second = text.size() > 1 ? static_cast<unsigned char>(text[1]) : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (!continuation(text, 1) || !continuation(text, 2)) return 0;
    const bool overlong = c == 0xE0 && second < 0xA0;
    const bool surrogate = c == 0xED && second > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!continuation(text, 1) || !continuation(text, 2) || !continuation(text, 3)) return 0;
    const bool overlong = c == 0xF0 && second < 0x90;
    const bool too_large = c == 0xF4 && second > 0x8F;
    return overlong || too_large ? 0 : 4;
  }
  return 0;
}

std::string escape(std::string_view text) {
  return escape_with(text, false);
}

std::string quote(std::string_view text) {
  return '"' + escape_with(text, true) + '"';
}

std::string escape(std::string_view text, std::size_t most) {
  return escape(text.substr(0, most)) + (text.size() > most ? "…" : "");
}

std::string quote(std::string_view text, std::size_t most) {
  return quote(text.substr(0, most)) + (text.size() > most ? "…" : "");
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string one_of(std::span<const std::string_view> words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

namespace {

// The words of a name in one spelling: "certDir", "cert-dir" and "cert_dir" all become "_cert_dir_".
std::string as_words(std::string_view name) {
  std::string out = "_";
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (c == '-' || c == '.' || c == '_') {
      out += '_';
      continue;
    }
    const bool hump =
        i > 0 && std::isupper(c) != 0 && std::islower(static_cast<unsigned char>(name[i - 1])) != 0;
    if (hump) out += '_';
    out += static_cast<char>(std::tolower(c));
  }
  return out + "_";
}

// The candidate with the smallest edit distance below `limit`.
std::string_view closest(std::string_view word, std::span<const std::string_view> candidates,
                         std::size_t limit) {
  std::string_view best;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < limit) {
      limit = distance;
      best = candidate;
    }
  }
  return best;
}

// The first candidate that begins with the word; else one that contains it as whole words; else one that the
// word begins with. Examples: "add_intermediates", "key_file_name", "restart_policy".
std::string_view related(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t kPrefix = 3;  // letters: shorter words begin too many names
  constexpr std::size_t kWords = 5;
  constexpr std::size_t kLonger = 5;
  const std::string words = as_words(word);
  const std::string_view start(words.data(), words.size() - 1);
  const auto find = [&](auto matches) {
    const auto found = std::ranges::find_if(candidates, matches);
    return found == candidates.end() ? std::string_view() : *found;
  };
  if (word.size() < kPrefix) return {};
  if (const auto name = find([&](auto each) { return as_words(each).starts_with(start); }); !name.empty())
    return name;
  if (word.size() < kWords) return {};
  if (const auto name = find([&](auto each) { return as_words(each).contains(words); }); !name.empty())
    return name;
  return find([&](auto each) { return each.size() >= kLonger && words.starts_with(as_words(each)); });
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t kLongest = 100;  // bytes: longer text is not a mistyped name
  constexpr std::size_t kTypo = 3;       // edits: fewer than this are a typo
  if (word.size() > kLongest) return {};
  const std::string wanted = lower(word);
  // At most a third of the letters may differ; a suggestion beyond that confuses more than it helps.
  const std::size_t limit = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  if (const auto best = closest(wanted, candidates, std::min(limit, kTypo)); !best.empty()) return best;
  if (const auto best = related(word, candidates); !best.empty()) return best;
  return closest(wanted, candidates, limit);
}

std::string hex(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) fmt::format_to(std::back_inserter(out), "{:02X}", static_cast<unsigned>(b));
  return out;
}

}  // namespace spiffe
