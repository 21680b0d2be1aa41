#include "config/comments.hh"

#include <algorithm>
#include <utility>

#include "base/text.hh"

namespace spiffe::config {

namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";

// A key of the file.
struct Spot {
  Position at;
  int last_line;  // of the key, or of the last item of a list without keys
  Entry* entry;
};

bool before(Position a, Position b) {
  return std::pair(a.line, a.column) < std::pair(b.line, b.column);
}

void collect(Value& value, std::vector<Spot>& spots) {
  for (Value& item : value.items) collect(item, spots);
  for (Entry& entry : value.entries) {
    int last = entry.at.line;
    for (const Value& item : entry.value.items) {
      if (item.kind != Value::Kind::object) last = std::max(last, item.at.line);
    }
    spots.push_back({entry.at, last, &entry});
    collect(entry.value, spots);
  }
}

// Removes the stars of a block comment, the space after the mark, and trailing space.
std::string tidy(std::string_view line) {
  const std::size_t star = line.find_first_not_of(kBlanks);
  if (star != std::string_view::npos && line.substr(star).starts_with("* ")) line.remove_prefix(star + 1);
  if (line.starts_with(' ')) line.remove_prefix(1);
  const std::size_t end = line.find_last_not_of(kBlanks);
  return escape(line.substr(0, end == std::string_view::npos ? 0 : end + 1));
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  for (;;) {
    const std::size_t end = text.find('\n');
    out.push_back(tidy(text.substr(0, end)));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  // The lines of "/*" and "*/".
  if (out.size() > 1 && out.back().empty()) out.pop_back();
  if (out.size() > 1 && out.front().empty()) out.erase(out.begin());
  return out;
}

}  // namespace

std::vector<std::string> attach_comments(Document& document) {
  std::vector<Spot> spots;
  collect(document.root, spots);
  std::ranges::sort(spots, before, &Spot::at);
  std::vector<std::string> rest;
  for (const Comment& comment : document.comments) {
    const auto next = std::ranges::upper_bound(spots, comment.at, before, &Spot::at);
    const bool inside = next != spots.begin() && std::prev(next)->last_line >= comment.at.line;
    const auto home = inside ? std::prev(next) : next;
    std::vector<std::string>& lines = home == spots.end() ? rest : home->entry->comments;
    for (std::string& line : lines_of(comment.text)) lines.push_back(std::move(line));
  }
  document.comments.clear();
  return rest;
}

std::string comment_text(const std::vector<std::string>& lines, std::size_t indent) {
  std::string out;
  for (const std::string& line : lines) {
    out += std::string(indent, ' ') + (line.empty() ? "#" : "# " + line) + "\n";
  }
  return out;
}

}  // namespace spiffe::config
