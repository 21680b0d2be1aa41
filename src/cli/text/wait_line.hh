// One line on stderr that shows what a command waits for.
#pragma once

#include <string>
#include <string_view>

#include "cli/text/terminal.hh"

namespace spiffe::cli {

// On a terminal the line is redrawn; otherwise each new cause is printed as a line.
class WaitLine {
 public:
  WaitLine();
  ~WaitLine() { clear(); }
  WaitLine(const WaitLine&) = delete;
  WaitLine& operator=(const WaitLine&) = delete;

  // Shows that the command waits for `what`; `elapsed` is shown on a terminal only.
  void show(std::string_view what, std::string_view elapsed);
  // On a terminal only. Text that is too long is cut before `end`.
  void draw(std::string_view text, Colour colour = Colour::dim, std::string_view end = {});
  // Erases the line, so that other text can be written.
  void clear();

  [[nodiscard]] bool live() const { return live_; }

 private:
  bool live_;
  bool drawn_ = false;
  std::string last_;  // printed last, if lines cannot be redrawn
};

// The first `width` characters of UTF-8 text; if it is longer, the last one is "…".
[[nodiscard]] std::string cut(std::string_view text, std::size_t width);

// `text`, cut so that it fits together with the whole `end`.
[[nodiscard]] std::string fitted(std::string_view text, std::string_view end, std::size_t width);

}  // namespace spiffe::cli
