#include "config/toml_writer.hh"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hh"
#include "config/comments.hh"

namespace spiffe::config {

namespace {

using Kind = Value::Kind;

std::string string(std::string_view text) {
  constexpr std::string_view kControls = "\b\t\n\f\r";
  constexpr std::string_view kLetters = "btnfr";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const std::size_t known = kControls.find(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (known != std::string_view::npos) {
      out += '\\';
      out += kLetters[known];
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string key_text(const std::string& key) {
  const auto bare = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !key.empty() && std::ranges::all_of(key, bare) ? key : string(key);
}

std::string inline_value(const Value& value);

std::string inline_object(const Value& object) {
  std::string out;
  for (const Entry& entry : object.entries) {
    if (entry.value.kind == Kind::null) continue;
    out += (out.empty() ? "" : ", ") + key_text(entry.key) + " = " + inline_value(entry.value);
  }
  return out.empty() ? "{}" : "{ " + out + " }";
}

std::string inline_value(const Value& value) {
  switch (value.kind) {
    case Kind::text:
      return string(value.text);
    case Kind::boolean:
      return value.boolean ? "true" : "false";
    case Kind::object:
      return inline_object(value);
    case Kind::list: {
      std::string out = "[";
      for (const Value& item : value.items) out += (out.size() > 1 ? ", " : "") + inline_value(item);
      return out + "]";
    }
    default:
      return value.text;
  }
}

bool is_table_array(const Value& value) {
  return value.kind == Kind::list && !value.items.empty() &&
         std::ranges::all_of(value.items, [](const Value& item) { return item.kind == Kind::object; });
}

// key = value lines. `nested`: writes objects too; otherwise the caller does.
std::string lines(const Value& object, bool nested) {
  std::string out;
  for (const Entry& entry : object.entries) {
    const bool table = entry.value.kind == Kind::object || is_table_array(entry.value);
    if (entry.value.kind == Kind::null || (table && !nested)) continue;
    out += comment_text(entry.comments) + key_text(entry.key) + " = " + inline_value(entry.value) + "\n";
  }
  return out;
}

}  // namespace

Result<std::string> to_toml(const Value& object) {
  if (auto good = check_utf8(object, "TOML"); !good) return fail(good.error());
  std::string out = lines(object, false);
  const auto section = [&out](const std::vector<std::string>& comments, const std::string& header,
                              const Value& table) {
    out += (out.empty() ? "" : "\n") + comment_text(comments) + header + "\n" + lines(table, true);
  };
  for (const Entry& entry : object.entries) {
    const std::string key = key_text(entry.key);
    if (entry.value.kind == Kind::object) section(entry.comments, "[" + key + "]", entry.value);
    if (!is_table_array(entry.value)) continue;
    for (const Value& item : entry.value.items) {
      const bool first = &item == &entry.value.items.front();
      section(first ? entry.comments : std::vector<std::string>(), "[[" + key + "]]", item);
    }
  }
  return out;
}

}  // namespace spiffe::config
