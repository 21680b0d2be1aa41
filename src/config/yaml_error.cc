#include "config/yaml_error.hh"

#include <algorithm>
#include <string>

#include "base/text.hh"
#include "config/text_cursor.hh"

namespace spiffe::config {

namespace {

constexpr const char* kIndent = "check the indentation and the quotes of this line and of the one above it";

// A frequent error of libyaml, and how to fix it.
struct Phrase {
  std::string_view problem;
  std::string_view message;
  const char* hint;
  bool at_context;  // report where the construct began, not where the error was noticed
};

constexpr Phrase kPhrases[] = {
    {"could not find expected ':'", "expected \"key: value\", found no colon",
     "a key ends with a colon and a space; what belongs to the value above must be indented", true},
    {"mapping values are not allowed", "a key is not expected here",
     "quote a value that holds \": \", and give keys of one mapping the same indentation", false},
    {"block sequence entries are not allowed", "an item of a list is not expected here",
     "begin the list on the next line, or write it as [\"one\", \"two\"]", false},
    {"did not find expected key", "expected a key", kIndent, false},
    {"did not find expected '-' indicator", "expected the next item of the list, which begins with \"- \"",
     kIndent, false},
    {"did not find expected ',' or '}'", "expected \",\" or \"}\" in a mapping",
     "does a closing brace, a comma or a quote lack?", false},
    {"did not find expected ',' or ']'", "expected \",\" or \"]\" in a list",
     "does a closing bracket, a comma or a quote lack?", false},
    {"did not find expected node content", "expected a value", "", false},
    {"found unexpected end of stream", "this string is never closed", "end it with the quote it began with",
     true},
    {"found unexpected document indicator", "this string is never closed",
     "end it with the quote it began with", true},
    {"found unknown escape character", "unknown escape in a string",
     "write \\\\ for a backslash, or use single quotes", false},
    {"did not find expected hexdecimal number", "an escape needs its hexadecimal digits",
     "write \\\\ for a backslash, or use single quotes", false},
    {"found invalid Unicode character escape code", "this escape is not a character", "", false},
    {"did not find expected comment or line break", "only a comment may follow here", "", false},
    {"found a tab character", "a tab cannot indent YAML", "use spaces", false},
    {"found incompatible YAML document", "this is another version of YAML", "leave out the line %YAML",
     false},
    {"found undefined tag handle", "a configuration has no tags", "leave it out", false},
    {"did not find expected <document start>", "expected \"---\" or the end of the file",
     "a configuration is one document", false},
};

std::string_view rest_of(std::string_view text, std::size_t character) {
  for (std::size_t i = 0; i < character && !text.empty(); ++i) {
    text.remove_prefix(std::max<std::size_t>(1, utf8_length(text)));
  }
  return text;
}

// "found character that cannot start any token"
std::unexpected<Error> bad_start(std::string_view rest, std::string_view source, Position at) {
  if (rest.starts_with('\t')) return fail_at(source, at, "a tab cannot indent YAML", "use spaces");
  const std::string found =
      rest.empty() ? "the end" : quote(rest.substr(0, std::max<std::size_t>(1, utf8_length(rest))));
  return fail_at(source, at, "no value begins with " + found, "quote it if it is a string");
}

std::unexpected<Error> reader_error(const yaml_parser_t& parser, std::string_view text,
                                    std::string_view source) {
  TextCursor cursor(text);
  while (!cursor.at_end() && cursor.offset() < parser.problem_offset) cursor.advance();
  return fail_at(source, cursor.position(),
                 "YAML may not hold the control character " + quote(cursor.character()),
                 "write it as an escape in double quotes");
}

}  // namespace

YamlPlaces::YamlPlaces(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); i += std::max<std::size_t>(1, utf8_length(text.substr(i)))) {
    ++end_;
    if (text[i] == '\n') lines_.push_back(end_);
  }
}

Position YamlPlaces::at(std::size_t character) const {
  character = std::min(character, end_);
  const auto next = std::ranges::upper_bound(lines_, character);
  const auto line = next - lines_.begin();
  return {static_cast<int>(line), static_cast<int>(character - *(next - 1)) + 1};
}

std::size_t YamlPlaces::next_line(std::size_t character) const {
  const auto next = std::ranges::upper_bound(lines_, character);
  return next == lines_.end() ? end_ : *next;
}

std::unexpected<Error> yaml_error(const yaml_parser_t& parser, std::string_view text,
                                  const YamlPlaces& places, std::string_view source) {
  if (parser.error == YAML_MEMORY_ERROR || parser.problem == nullptr) {
    return fail_at(source, {}, "not enough memory to read it");
  }
  if (parser.error == YAML_READER_ERROR) return reader_error(parser, text, source);
  const std::string_view problem = parser.problem;
  const Position at = places.of(parser.problem_mark);
  if (problem.contains("cannot start any token"))
    return bad_start(rest_of(text, parser.problem_mark.index), source, at);
  const bool to_end = parser.problem_mark.index >= places.end();
  for (const Phrase& phrase : kPhrases) {
    if (!problem.contains(phrase.problem)) continue;
    const bool context = parser.context != nullptr;
    if (phrase.at_context && context)
      return fail_at(source, places.of(parser.context_mark), phrase.message, phrase.hint);
    // At the end of the file, report the bracket that was not closed.
    if (to_end && context && problem.contains("expected ',' or")) {
      const std::string open = problem.contains('}') ? "{" : "[";
      return fail_at(source, places.of(parser.context_mark), "this " + quote(open) + " is never closed");
    }
    return fail_at(source, at, phrase.message, phrase.hint);
  }
  std::string message(problem);
  if (parser.context != nullptr) message += ' ' + std::string(parser.context);
  return fail_at(source, at, message);
}

}  // namespace spiffe::config
