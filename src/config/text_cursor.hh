// A cursor over UTF-8 text that tracks line and column, for the readers of this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/text.hh"
#include "config/document.hh"

namespace spiffe::config {

class TextCursor {
 public:
  // The caller owns `text`, which must outlive the cursor and be valid UTF-8 (check_text).
  explicit TextCursor(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return offset_ >= text_.size(); }
  // The byte at this offset from the cursor, '\0' beyond the end (check_text has refused NUL in the text).
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return offset_ + ahead < text_.size() ? text_[offset_ + ahead] : '\0';
  }
  [[nodiscard]] bool looking_at(std::string_view word) const {
    return text_.substr(std::min(offset_, text_.size())).starts_with(word);
  }
  [[nodiscard]] Position position() const { return at_; }
  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::string_view since(std::size_t start) const {
    return text_.substr(start, offset_ - start);
  }
  // The whole character at the cursor, for messages; "" at the end.
  [[nodiscard]] std::string_view character() const {
    return at_end() ? std::string_view()
                    : text_.substr(offset_, std::max<std::size_t>(1, utf8_length(text_.substr(offset_))));
  }

  // Advances by one byte. The column advances with the first byte of a character.
  void advance() {
    if (at_end()) return;
    const auto c = static_cast<unsigned char>(text_[offset_++]);
    if (c == '\n') {
      ++at_.line;
      at_.column = 1;
    } else if ((static_cast<unsigned char>(peek()) & 0xC0) != 0x80) {
      ++at_.column;
    }
  }
  void advance(std::size_t bytes) {
    for (; bytes > 0; --bytes) advance();
  }

 private:
  std::string_view text_;
  std::size_t offset_ = 0;
  Position at_{1, 1};
};

// Refuses content that no document may have, with the position: a byte order mark, invalid UTF-8, NUL, too
// many bytes.
[[nodiscard]] Result<void> check_text(std::string_view text, std::string_view source);

// `code` as UTF-8; U+FFFD for surrogates and invalid code points, as Go's encoder does.
void append_utf8(std::string& out, unsigned long code);

// How to write the value `word`.
[[nodiscard]] std::string hint_for_bare_word(const std::string& word);

}  // namespace spiffe::config
