// Assigns comments to keys, since keys may move when a file is rewritten. A comment belongs to the key that
// begins on the same line, or whose list it is in, otherwise to the next key. Comments after the last key
// stay at the end of the file.
#pragma once

#include <string>
#include <vector>

#include "config/document.hh"

namespace spiffe::config {

// Moves the document's comments to its entries. Returns the lines that end the file.
[[nodiscard]] std::vector<std::string> attach_comments(Document& document);

// `lines` as comments in the syntax that HCL, TOML and YAML share, each indented by `indent` spaces.
[[nodiscard]] std::string comment_text(const std::vector<std::string>& lines, std::size_t indent = 0);

}  // namespace spiffe::config
