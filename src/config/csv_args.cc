#include "config/csv_args.hh"

#include <algorithm>
#include <utility>

namespace spiffe::config {

namespace {

constexpr const char* kHint =
    "quote the whole argument and double the quotes inside it, or give a list of strings";

std::unexpected<Error> refuse(std::string message, std::size_t offset) {
  return fail(ErrorKind::config, std::move(message) + " at column " + std::to_string(offset + 1), kHint);
}

// "\r\n" counts as "\n", and a final "\r" is dropped, as Go's reader does.
std::string normal_lines(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] == '\n')) continue;
    out += text[i];
  }
  return out;
}

// Reads the quoted argument that begins at text[at] == '"'; sets `at` to the position after its closing
// quote.
Result<std::string> quoted(const std::string& text, std::size_t& at) {
  std::string out;
  const std::size_t start = at;
  for (++at; at < text.size(); ++at) {
    if (text[at] != '"') {
      out += text[at];
    } else if (at + 1 < text.size() && text[at + 1] == '"') {
      out += text[at++];
    } else {
      ++at;
      if (at == text.size() || text[at] == ' ' || text[at] == '\n') return out;
      return refuse("has text behind a closing quote", at);
    }
  }
  return refuse("has a quote that is never closed", start);
}

}  // namespace

Result<std::vector<std::string>> split_args(std::string_view raw) {
  const std::string text = normal_lines(raw);
  std::vector<std::string> out;
  std::size_t at = text.find_first_not_of('\n');
  if (at == std::string::npos) return out;
  for (;;) {
    if (at < text.size() && text[at] == '"') {
      auto argument = quoted(text, at);
      if (!argument) return fail(argument.error());
      out.push_back(*std::move(argument));
    } else {
      const std::size_t end = text.find_first_of(" \n", at);
      const std::string argument = text.substr(at, end - at);
      if (const std::size_t quote = argument.find('"'); quote != std::string::npos) {
        return refuse("has a quote inside an unquoted argument", at + quote);
      }
      out.push_back(argument);
      at = end;
    }
    if (at >= text.size() || text[at] == '\n') return out;
    ++at;
  }
}

std::vector<std::string> single_quoted(std::string_view text, const std::vector<std::string>& arguments) {
  // "it's" and "o'clock" are words: only a quote at the start of an argument opens, and one at its end
  // closes.
  const auto opens = [](const std::string& argument) { return argument.starts_with('\''); };
  const auto closes = [](const std::string& argument) { return argument.ends_with('\''); };
  const auto first = std::ranges::find_if(arguments, opens);
  if (std::find_if(first, arguments.end(), closes) == arguments.end() || *first == "'") return {};
  std::vector<std::string> out;
  char quote = '\0';
  bool inside = false;  // an argument
  for (const char c : text.substr(text.find_first_not_of('\n'))) {
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        out.back() += c;
      }
      continue;
    }
    if (c == '\n') break;
    if (c == ' ') {
      inside = false;
      continue;
    }
    if (!inside) out.emplace_back();
    inside = true;
    if (c == '\'' || c == '"') {
      quote = c;
    } else {
      out.back() += c;
    }
  }
  return quote == '\0' ? out : std::vector<std::string>();
}

}  // namespace spiffe::config
