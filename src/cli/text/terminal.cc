#include "cli/text/terminal.hh"

#include <algorithm>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

namespace spiffe::cli {

namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastWrapped = 20;

// Where to break `text` so that the first line has at most `width` characters; its size if it fits.
std::size_t break_at(std::string_view text, std::size_t width) {
  if (length(text) <= width) return text.size();
  std::size_t space = std::string_view::npos;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (text[i] == ' ' && column <= width) space = i;
    if (++column > width && space != std::string_view::npos) return space;
  }
  return text.size();  // a word that is too long is not broken
}

}  // namespace

Terminal Terminal::of(int fd) {
  Terminal out;
  const bool terminal = ::isatty(fd) == 1;
  // NOLINTBEGIN(concurrency-mt-unsafe): the environment does not change
  const char* kind = std::getenv("TERM");
  const char* no_colour = std::getenv("NO_COLOR");
  // NOLINTEND(concurrency-mt-unsafe)
  out.live = terminal && (kind == nullptr || std::string_view(kind) != "dumb");
  out.colour = out.live && (no_colour == nullptr || *no_colour == '\0');
  winsize size{};
  if (terminal && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) out.width = size.ws_col;
  return out;
}

std::string paint(const Terminal& terminal, Colour colour, std::string_view text) {
  if (!terminal.colour) return std::string(text);
  return "\x1b[" + std::to_string(static_cast<int>(colour)) + "m" + std::string(text) + "\x1b[0m";
}

std::size_t length(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void TextTable::row(std::string_view label, std::string_view value) {
  auto& cells = rows_.emplace_back();
  cells.emplace_back(label);
  cells.emplace_back(value);
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    if (widths.size() < row.size()) widths.resize(row.size());
    // The last cell of a row does not widen its column.
    for (std::size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], length(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line(indent_, ' ');
    std::size_t column = indent_;
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      line += row[i] + std::string(widths[i] + kGap - length(row[i]), ' ');
      column += widths[i] + kGap;
    }
    std::string_view rest = row.empty() ? std::string_view() : row.back();
    const bool wrap = column + kLeastWrapped <= width_;
    for (;;) {
      const std::size_t end = wrap ? break_at(rest, width_ - column) : rest.size();
      line += rest.substr(0, end);
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
      if (end >= rest.size()) break;
      rest.remove_prefix(end + 1);
      line = std::string(column, ' ');
    }
  }
  return out;
}

}  // namespace spiffe::cli
