#include "config/toml_reader.hh"

// Errors as values, and none of what is not used.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 64
#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/text.hh"
#include "config/text_cursor.hh"

namespace spiffe::config {

namespace {

Position position_of(const toml::source_region& region) {
  return {static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

// The integer as it is written: modes tell 0o644 from 644.
std::string spelling(const toml::value<std::int64_t>& number) {
  const std::int64_t value = number.get();
  // The bases are numbers, not bits, in the lowest two bits.
  const auto base = number.flags() & toml::value_flags::format_as_hexadecimal;
  if (base == toml::value_flags::format_as_octal) return fmt::format("0o{:o}", value);
  if (base == toml::value_flags::format_as_hexadecimal) return fmt::format("0x{:x}", value);
  if (base == toml::value_flags::format_as_binary) return fmt::format("0b{:b}", value);
  return std::to_string(value);
}

class Converter {
 public:
  explicit Converter(std::string_view source) : source_(source) {}

  Result<Value> value(const toml::node& node) {
    const Position at = position_of(node.source());
    if (const auto* table = node.as_table()) return object(*table, at);
    if (const auto* array = node.as_array()) return list(*array, at);
    if (const auto* text = node.as_string()) return Value::of_text(text->get(), at);
    if (const auto* number = node.as_integer()) return Value::of_integer(spelling(*number), at);
    if (const auto* flag = node.as_boolean()) return Value::of_boolean(flag->get(), at);
    if (const auto* real = node.as_floating_point()) {
      Value value = Value::of_kind(Value::Kind::real, at);
      value.text = fmt::format("{}", real->get());
      return value;
    }
    return fail_at(source_, at, "no key takes a date or a time", "if it is a string, quote it");
  }

 private:
  Result<Value> object(const toml::table& table, Position at) {
    if (++depth_ > kMaxDepth) return too_deep(at);
    Value out = Value::of_kind(Value::Kind::object, at);
    for (const auto& [key, node] : table) {
      Entry entry;
      entry.key = std::string(key.str());
      entry.at = position_of(key.source());
      auto read = value(node);
      if (!read) return read;
      entry.value = *std::move(read);
      out.entries.push_back(std::move(entry));
    }
    // The library sorts keys by name; errors and warnings go by the order of the file.
    std::ranges::stable_sort(out.entries, {},
                             [](const Entry& e) { return std::pair(e.at.line, e.at.column); });
    --depth_;
    return out;
  }

  Result<Value> list(const toml::array& array, Position at) {
    if (++depth_ > kMaxDepth) return too_deep(at);
    Value out = Value::of_kind(Value::Kind::list, at);
    for (const auto& node : array) {
      auto item = value(node);
      if (!item) return item;
      out.items.push_back(*std::move(item));
    }
    --depth_;
    return out;
  }

  [[nodiscard]] std::unexpected<Error> too_deep(Position at) const {
    return fail_at(source_, at, "more than " + std::to_string(kMaxDepth) + " levels deep");
  }

  std::string_view source_;
  int depth_ = 0;
};

// Each dot of a dotted key makes a table inside a table, and older versions of the library take any number of
// them; freeing a hundred thousand nested tables overflows the stack. Returns the dots outside strings and
// comments.
std::size_t count_dots(std::string_view text) {
  std::size_t dots = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') ++dots;
    if (c == '#') i = std::min(text.find('\n', i), text.size());
    if (c != '"' && c != '\'') continue;
    const std::string triple(3, c);
    const bool multi_line = text.substr(i).starts_with(triple);
    if (multi_line) {
      i += 3;
      while (i < text.size() && !text.substr(i).starts_with(triple)) i += c == '"' && text[i] == '\\' ? 2 : 1;
      i += 2;
      continue;
    }
    for (++i; i < text.size() && text[i] != c && text[i] != '\n'; ++i) {
      if (c == '"' && text[i] == '\\') ++i;
    }
  }
  return dots;
}

std::string plain(std::string_view description) {
  std::string out(description);
  if (!out.empty()) out[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(out[0])));
  return out;
}

}  // namespace

Result<Document> parse_toml(std::string_view text, std::string source) {
  if (auto good = check_text(text, source); !good) return fail(good.error());
  constexpr std::size_t kMaxDots = 2000;
  if (count_dots(text) > kMaxDots)
    return fail_at(source, {}, "more dotted keys than a configuration can need");
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return fail_at(source, position_of(parsed.error().source()), plain(parsed.error().description()));
  }
  auto root = Converter(source).value(parsed.table());
  if (!root) return fail(root.error());
  return Document{std::move(source), Syntax::toml, *std::move(root)};
}

}  // namespace spiffe::config
