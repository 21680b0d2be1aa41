#include "cli/wait_line.hh"

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

WaitLine::WaitLine() : terminal_(Terminal::of(STDERR_FILENO)) {}

void WaitLine::show(std::string_view what, std::string_view elapsed) {
  if (terminal_.live) {
    draw(std::string(what) + " (" + std::string(elapsed) + ")");
  } else if (what != last_) {
    last_ = what;
    std::fputs((last_ + "\n").c_str(), stderr);
  }
}

void WaitLine::draw(std::string_view text) {
  if (!terminal_.live) return;
  // One column is left free: the cursor would stand in the next line.
  const std::string shown = paint(terminal_, Colour::dim, cut(text, terminal_.width - 1));
  std::fputs(("\r" + shown + "\x1b[K").c_str(), stderr);
  drawn_ = true;
}

void WaitLine::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace spiffe::cli
