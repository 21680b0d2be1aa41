// HCL 1 tokens, as the Go scanner reads them. White space is skipped, comments are collected. Stricter than
// Go's: a name must not follow a number directly (`0o644`, `30s`), and names are ASCII. More lenient: a
// heredoc may end with the file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/document.hh"
#include "config/text_cursor.hh"

namespace spiffe::config {

struct HclToken {
  enum class Kind {
    end,
    name,
    integer,
    real,
    boolean,
    text,     // "…", escapes resolved
    heredoc,  // <<EOF or <<-EOF, indentation resolved
    left_bracket,
    right_bracket,
    left_brace,
    right_brace,
    comma,
    assign,
  };
  Kind kind = Kind::end;
  Position at;
  std::string text;  // content of text and heredoc; otherwise as written
};

class HclLexer {
 public:
  // The caller owns both. `text` has passed check_text and contains no CRLF.
  HclLexer(std::string_view text, std::string_view source) : cursor_(text), source_(source) {}
  [[nodiscard]] Result<HclToken> next();
  // The comments so far.
  [[nodiscard]] const std::vector<Comment>& comments() const { return comments_; }

 private:
  Result<void> skip_space_and_comments();
  Result<HclToken> name();
  Result<HclToken> number();
  Result<HclToken> string();
  Result<void> escape_sequence(std::string& out);
  Result<void> hex_escape(std::string& out, Position start, int digits);
  Result<void> octal_escape(std::string& out, Position start);
  Result<void> interpolation(std::string& out, Position string_start);
  Result<HclToken> heredoc();
  Result<HclToken> punctuation();

  TextCursor cursor_;
  std::string_view source_;
  std::vector<Comment> comments_;
};

}  // namespace spiffe::config
