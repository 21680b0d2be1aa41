#include "config/hcl_writer.hh"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hh"
#include "config/comments.hh"

namespace spiffe::config {

namespace {

using Kind = Value::Kind;

// In HCL, "${" begins an interpolation, in which escapes are not processed, so its "$" is escaped.
std::string hcl_string(std::string_view text) {
  constexpr std::string_view kControls = "\a\b\f\n\r\t\v";
  constexpr std::string_view kLetters = "abfnrtv";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const std::size_t known = kControls.find(c);
    const std::size_t character = utf8_length(text.substr(i));
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (known != std::string_view::npos) {
      out += '\\';
      out += kLetters[known];
    } else if (byte < 0x20 || byte == 0x7F || character == 0 || text.substr(i).starts_with("${")) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += text.substr(i, character);
      i += character - 1;
    }
  }
  return out + "\"";
}

std::string hcl_key(const std::string& key) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto rest = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  const bool word = !key.empty() && letter(key[0]) && std::ranges::all_of(key, rest);
  return word && key != "true" && key != "false" ? key : hcl_string(key);
}

std::string hcl_value_text(const Value& value, std::size_t indent);

std::string hcl_lines(const Value& object, std::size_t indent) {
  const std::string space(indent, ' ');
  std::string out;
  for (const Entry& entry : object.entries) {
    if (entry.value.kind == Kind::null) continue;
    const bool block = entry.value.kind == Kind::object;
    out += comment_text(entry.comments, indent) + space + hcl_key(entry.key) + (block ? " " : " = ") +
           hcl_value_text(entry.value, indent) + "\n";
  }
  return out;
}

std::string hcl_list_text(const Value& list, std::size_t indent) {
  const bool simple = std::ranges::none_of(
      list.items, [](const Value& item) { return item.kind == Kind::object || item.kind == Kind::list; });
  std::string out = "[";
  for (const Value& item : list.items) {
    const bool last = &item == &list.items.back();
    if (simple) {
      out += hcl_value_text(item, 0) + (last ? "" : ", ");
    } else {
      out += "\n" + std::string(indent + 2, ' ') + hcl_value_text(item, indent + 2) + ",";
      if (last) out += "\n" + std::string(indent, ' ');
    }
  }
  return out + "]";
}

std::string hcl_value_text(const Value& value, std::size_t indent) {
  switch (value.kind) {
    case Kind::text:
      return hcl_string(value.text);
    case Kind::boolean:
      return value.boolean ? "true" : "false";
    case Kind::object:
      return "{\n" + hcl_lines(value, indent + 2) + std::string(indent, ' ') + "}";
    case Kind::list:
      return hcl_list_text(value, indent);
    default:
      return value.text;
  }
}

}  // namespace

std::string to_hcl(const Value& object) {
  return hcl_lines(object, 0);
}

}  // namespace spiffe::config
