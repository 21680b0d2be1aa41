// Parses text to a document, in any of the formats.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hh"
#include "config/document.hh"

namespace spiffe::config {

enum class Format {
  by_name,  // "*.toml" is TOML, "*.yaml" and "*.yml" YAML, anything else HCL
  hcl,      // HCL 1, or JSON if the document begins with '{'
  toml,
  json,
  yaml,
};
// "hcl", "toml", "json", "yaml"; "auto" is by_name. Error kind usage.
[[nodiscard]] Result<Format> parse_format(std::string_view text);

// `source` is the file's path as given; by_name depends on it. If the text looks like another format, the
// error's hint says how to proceed.
[[nodiscard]] Result<Document> read_document(std::string_view text, const std::string& source, Format format);

}  // namespace spiffe::config
