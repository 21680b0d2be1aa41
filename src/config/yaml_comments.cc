#include "config/yaml_comments.hh"

#include <string>

#include "config/text_cursor.hh"

namespace spiffe::config {

std::vector<Comment> yaml_comments(std::string_view text, const std::vector<TextRange>& scalars) {
  std::vector<Comment> out;
  TextCursor cursor(text);
  std::size_t character = 0;
  char before = '\n';
  const auto step = [&] {
    before = cursor.peek();
    cursor.advance(cursor.character().size());
    ++character;
  };
  auto scalar = scalars.begin();
  while (!cursor.at_end()) {
    while (scalar != scalars.end() && scalar->end <= character) ++scalar;
    const bool inside = scalar != scalars.end() && scalar->begin <= character;
    const bool apart = before == '\n' || before == '\r' || before == ' ' || before == '\t';
    if (inside || !apart || cursor.peek() != '#') {
      step();
      continue;
    }
    const Position at = cursor.position();
    const std::size_t start = cursor.offset() + 1;
    while (!cursor.at_end() && cursor.peek() != '\n') step();
    out.push_back({at, std::string(cursor.since(start))});
  }
  return out;
}

}  // namespace spiffe::config
