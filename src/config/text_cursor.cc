#include "config/text_cursor.hh"

namespace spiffe::config {

Result<void> check_text(std::string_view text, std::string_view source) {
  if (text.size() > kMaxDocumentSize) {
    return fail_at(source, {}, "this is larger than 1 MiB, the most a configuration may have");
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    return fail_at(source, {1, 1}, "the file begins with a byte order mark", "save it as UTF-8 without one");
  }
  TextCursor cursor(text);
  while (!cursor.at_end()) {
    const std::size_t length = utf8_length(text.substr(cursor.offset()));
    if (length == 0) return fail_at(source, cursor.position(), "this is not valid UTF-8");
    if (cursor.peek() == '\0') return fail_at(source, cursor.position(), "a NUL byte");
    cursor.advance(length);
  }
  return {};
}

void append_utf8(std::string& out, unsigned long code) {
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) code = 0xFFFD;
  const auto put = [&out](unsigned long byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::string hint_for_bare_word(const std::string& word) {
  const std::string small = lower(word);
  if (small == "true" || small == "yes" || small == "on") return "write true";
  if (small == "false" || small == "no" || small == "off") return "write false";
  return "strings need double quotes: " + quote(word);
}

}  // namespace spiffe::config
