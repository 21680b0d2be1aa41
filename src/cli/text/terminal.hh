// Text for terminals: colour, width, tables.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace spiffe::cli {

// Lines are not longer, however wide the terminal is.
constexpr std::size_t kMaxWidth = 80;
constexpr std::size_t kRowIndent = 2;
// Bytes of a value that a command repeats. A SPIFFE ID has no more.
constexpr std::size_t kMaxShown = 2048;

// How to write to a descriptor.
struct Terminal {
  bool live = false;       // a terminal on which lines can be redrawn
  bool colour = false;     // a terminal, and NO_COLOR is not set
  std::size_t width = 80;  // now; query it again later

  static Terminal of(int fd);
};

enum class Colour { red = 31, green = 32, yellow = 33, bold = 1, dim = 2 };

// `text` in a colour if the terminal supports it, else unchanged.
[[nodiscard]] std::string paint(const Terminal& terminal, Colour colour, std::string_view text);

// Rows of cells in aligned columns, two spaces apart. The last column is wrapped at spaces to fit the width,
// if at least 20 columns are left for it. Cells contain neither escape sequences nor line ends.
class TextTable {
 public:
  // `indent` spaces before each line.
  explicit TextTable(std::size_t width = 80, std::size_t indent = 0) : width_(width), indent_(indent) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Two cells: most rows have a label and a value.
  void row(std::string_view label, std::string_view value);
  [[nodiscard]] std::string text() const;

 private:
  std::size_t width_;
  std::size_t indent_;
  std::vector<std::vector<std::string>> rows_;
};

// The number of characters of UTF-8 text.
[[nodiscard]] std::size_t length(std::string_view text);

}  // namespace spiffe::cli
