// One line on stderr that says what a command waits for.
#pragma once

#include <string>
#include <string_view>

#include "cli/text/terminal.hh"

namespace spiffe::cli {

// On a terminal the line is drawn over again; elsewhere each new cause is a line of its own.
class WaitLine {
 public:
  WaitLine();
  ~WaitLine() { clear(); }
  WaitLine(const WaitLine&) = delete;
  WaitLine& operator=(const WaitLine&) = delete;

  // `what` is waited for since some seconds; `elapsed` is shown on a terminal only.
  void show(std::string_view what, std::string_view elapsed);
  // On a terminal only; what is too long for it loses what stands before `end`.
  void draw(std::string_view text, Colour colour = Colour::dim, std::string_view end = {});
  // Takes the line away, so that other text may be written.
  void clear();

  [[nodiscard]] bool live() const { return live_; }

 private:
  bool live_;
  bool drawn_ = false;
  std::string last_;  // what was said where nothing can be redrawn
};

// The first `width` characters of UTF-8 text, with "…" as the last of them where there are more.
[[nodiscard]] std::string cut(std::string_view text, std::size_t width);

// `text` cut so that `end` stands whole behind it.
[[nodiscard]] std::string fitted(std::string_view text, std::string_view end, std::size_t width);

}  // namespace spiffe::cli
