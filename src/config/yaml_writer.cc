#include "config/yaml_writer.hh"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hh"
#include "config/comments.hh"
#include "config/text_cursor.hh"
#include "config/yaml_scalar.hh"

namespace spiffe::config {

namespace {

using Kind = Value::Kind;

// Characters that end a line or are not printable in YAML: U+007F to U+009F, U+2028, U+2029, U+FEFF, U+FFFE,
// U+FFFF.
bool is_special(std::string_view character) {
  if (character.size() == 2) return character[0] == '\xC2' && static_cast<unsigned char>(character[1]) < 0xA0;
  return character == "\x7F" || character == "\xE2\x80\xA8" || character == "\xE2\x80\xA9" ||
         character == "\xEF\xBB\xBF" || character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF";
}

unsigned code_of(std::string_view character) {
  const auto byte = [character](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return byte(0);
  if (character.size() == 2) return (byte(0) & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
  return (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
}

std::string yaml_string(std::string_view text) {
  if (is_plain_yaml_text(text)) return std::string(text);
  constexpr std::string_view kControls = "\a\b\f\n\r\t\v";
  constexpr std::string_view kLetters = "abfnrtv";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view character = text.substr(i, std::max<std::size_t>(1, utf8_length(text.substr(i))));
    const std::size_t known = kControls.find(character[0]);
    if (character == "\"" || character == "\\") {
      out += '\\';
      out += character;
    } else if (known != std::string_view::npos) {
      out += '\\';
      out += kLetters[known];
    } else if (static_cast<unsigned char>(character[0]) < 0x20 || is_special(character)) {
      out += fmt::format("\\u{:04x}", code_of(character));
    } else {
      out += character;
    }
    i += character.size();
  }
  return out + "\"";
}

bool is_nested(const Value& value) {
  return value.kind == Kind::object || value.kind == Kind::list;
}

std::string scalar(const Value& value) {
  if (value.kind == Kind::text) return yaml_string(value.text);
  if (value.kind == Kind::boolean) return value.boolean ? "true" : "false";
  return value.kind == Kind::null ? "null" : value.text;
}

std::string yaml_value_text(const Value& value, std::size_t indent);

std::string yaml_lines(const Value& object, std::size_t indent) {
  const std::string space(indent, ' ');
  std::string out;
  for (const Entry& entry : object.entries) {
    if (entry.value.kind == Kind::null) continue;
    out += comment_text(entry.comments, indent) + space + yaml_string(entry.key) + ":" +
           yaml_value_text(entry.value, indent) + "\n";
  }
  return out;
}

// The text after "key:" or "-", without the final line end.
std::string yaml_list_text(const Value& list, std::size_t indent) {
  if (std::ranges::none_of(list.items, is_nested)) {
    std::string out;
    for (const Value& item : list.items) out += (out.empty() ? "" : ", ") + scalar(item);
    return " [" + out + "]";
  }
  std::string out;
  for (const Value& item : list.items) {
    const std::string text =
        item.kind == Kind::object ? yaml_lines(item, indent + 4) : yaml_value_text(item, indent + 2) + "\n";
    out += "\n" + std::string(indent + 2, ' ') + "-";
    // The first key is written after the dash, unless it has comments above it.
    const bool inline_first =
        item.kind == Kind::object && text.size() > indent + 4 && text[indent + 4] != '#';
    if (text.empty()) {
      out += " {}";
    } else if (inline_first) {
      out += " " + text.substr(indent + 4);
    } else {
      out += (item.kind == Kind::object ? "\n" : "") + text;
    }
    if (out.ends_with('\n')) out.pop_back();
  }
  return out;
}

std::string yaml_value_text(const Value& value, std::size_t indent) {
  if (value.kind == Kind::list) return yaml_list_text(value, indent);
  if (value.kind != Kind::object) return " " + scalar(value);
  std::string text = yaml_lines(value, indent + 2);
  if (text.empty()) return " {}";
  text.pop_back();
  return "\n" + text;
}

}  // namespace

Result<std::string> to_yaml(const Value& object) {
  if (auto good = check_utf8(object, "YAML"); !good) return fail(good.error());
  return yaml_lines(object, 0);
}

}  // namespace spiffe::config
