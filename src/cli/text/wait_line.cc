#include "cli/text/wait_line.hh"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

namespace spiffe::cli {

std::string cut(std::string_view text, std::size_t width) {
  if (length(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t column = 0;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins && column++ == width - 1) break;
  }
  return std::string(text.substr(0, at)) + "…";
}

std::string fitted(std::string_view text, std::string_view end, std::size_t width) {
  return cut(text, width - std::min(width, length(end))) + std::string(end);
}

WaitLine::WaitLine() : live_(Terminal::of(STDERR_FILENO).live) {}

void WaitLine::show(std::string_view what, std::string_view elapsed) {
  if (live_) {
    draw(what, Colour::dim, " (" + std::string(elapsed) + ")");
  } else if (what != last_) {
    last_ = what;
    std::fputs((last_ + "\n").c_str(), stderr);
  }
}

void WaitLine::draw(std::string_view text, Colour colour, std::string_view end) {
  if (!live_) return;
  const Terminal terminal = Terminal::of(STDERR_FILENO);
  // One column is left free; otherwise the cursor would move to the next line.
  const std::string shown = paint(terminal, colour, fitted(text, end, terminal.width - 1));
  std::fputs(("\r" + shown + "\x1b[K").c_str(), stderr);
  drawn_ = true;
}

void WaitLine::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace spiffe::cli
