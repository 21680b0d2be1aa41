#include "config/document_reader.hh"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/text.hh"
#include "config/hcl_parser.hh"
#include "config/json_reader.hh"
#include "config/toml_reader.hh"
#include "config/yaml_reader.hh"

namespace spiffe::config {

namespace {

constexpr std::string_view kSpace = " \t\r\n\v\f";

std::string_view trim(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kSpace);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kSpace) - start + 1);
}

// "[section]" or "[[section]]", possibly with a comment.
bool is_toml_header(std::string_view line) {
  const bool array = line.starts_with("[[");
  const std::size_t open = array ? 2 : 1;
  const std::size_t close = line.find(array ? "]]" : "]");
  if (!line.starts_with('[') || close == std::string_view::npos) return false;
  const std::string_view rest = trim(line.substr(close + open));
  const std::string_view name = trim(line.substr(open, close - open));
  constexpr std::string_view kNameCharacters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return !name.empty() && name.find_first_not_of(kNameCharacters) == std::string_view::npos &&
         (rest.empty() || rest.starts_with('#'));
}

// Whether a text that is not HCL has features of TOML: a [header] or a multi-line string.
bool looks_like_toml(std::string_view text) {
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = trim(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const std::size_t assign = line.find('=');
    const std::string_view value = assign == std::string_view::npos ? "" : trim(line.substr(assign + 1));
    if (is_toml_header(line) || value.starts_with("\"\"\"")) return true;
  }
  return false;
}

// Whether a text that is not HCL is a YAML mapping whose keys are words.
bool looks_like_yaml(std::string_view text) {
  const auto document = parse_yaml(text, "");
  const auto is_word = [](const Entry& entry) {
    return std::ranges::all_of(
        entry.key, [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0; });
  };
  return document && !document->root.entries.empty() && std::ranges::all_of(document->root.entries, is_word);
}

std::unexpected<Error> other_format(Error error, std::string_view looks, std::string_view read,
                                    std::string hint) {
  error.message += "; this looks like " + std::string(looks) + ", and is read as " + std::string(read);
  error.hint = std::move(hint);
  return fail(std::move(error));
}

Result<Document> read_hcl(std::string_view text, const std::string& source) {
  // The Go helper tells JSON from HCL in the same way.
  if (trim(text).starts_with('{')) return parse_json(text, source);
  auto document = parse_hcl(text, source);
  if (document) return document;
  if (looks_like_toml(text)) {
    return other_format(document.error(), "TOML", "HCL",
                        "rename the file to *.toml, or add -config-format toml");
  }
  if (!looks_like_yaml(text)) return document;
  const std::string& hint = document.error().hint;
  return other_format(
      document.error(), "YAML", "HCL",
      (hint.empty() ? "" : hint + "; for YAML ") + "rename the file to *.yaml, or add -config-format yaml");
}

Result<Document> read_toml(std::string_view text, const std::string& source) {
  auto document = parse_toml(text, source);
  // If the reader has a hint for the error, the text is TOML.
  if (document || !document.error().hint.empty() || !parse_hcl(text, source)) return document;
  return other_format(document.error(), "HCL", "TOML",
                      "rename the file to *.conf, or add -config-format hcl");
}

Result<Document> read_yaml(std::string_view text, const std::string& source) {
  auto document = parse_yaml(text, source);
  // JSON and an empty file are valid in both.
  if (document || !parse_hcl(text, source)) return document;
  return other_format(document.error(), "HCL", "YAML",
                      "rename the file to *.conf, or add -config-format hcl");
}

Format format_of_name(std::string_view name) {
  if (name.ends_with(".toml")) return Format::toml;
  return name.ends_with(".yaml") || name.ends_with(".yml") ? Format::yaml : Format::hcl;
}

}  // namespace

Result<Format> parse_format(std::string_view text) {
  if (text == "hcl") return Format::hcl;
  if (text == "toml") return Format::toml;
  if (text == "json") return Format::json;
  if (text == "yaml") return Format::yaml;
  if (text == "auto") return Format::by_name;
  constexpr std::array<std::string_view, 5> kWords = {"auto", "hcl", "toml", "json", "yaml"};
  return fail(ErrorKind::usage, "the format must be " + one_of(kWords) + ", not " + quote(text));
}

Result<Document> read_document(std::string_view text, const std::string& source, Format format) {
  if (format == Format::by_name) format = format_of_name(source);
  if (format == Format::yaml) return read_yaml(text, source);
  if (format == Format::toml) return read_toml(text, source);
  if (format == Format::json) return parse_json(text, source);
  return read_hcl(text, source);
}

}  // namespace spiffe::config
