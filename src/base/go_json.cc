#include "base/go_json.hh"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/text.hh"

namespace spiffe {

void append_go_json(std::string& out, std::string_view text, GoJson encoder) {
  constexpr std::string_view kShort = "\n\r\t\b\f";
  const std::string_view known = encoder == GoJson::jose ? kShort.substr(0, 3) : kShort;
  out += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view symbol = text.substr(0, std::max<std::size_t>(length, 1));
    text.remove_prefix(symbol.size());
    const char c = symbol[0];
    if (length == 0) {
      out += "\\ufffd";
    } else if (symbol == "\u2028" || symbol == "\u2029") {
      out += symbol == "\u2028" ? "\\u2028" : "\\u2029";
    } else if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (known.contains(c)) {
      out += {'\\', "nrtbf"[known.find(c)]};
    } else if (length == 1 && (static_cast<unsigned char>(c) < 0x20 || c == '<' || c == '>' || c == '&')) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += symbol;
    }
  }
  out += '"';
}

}  // namespace spiffe
