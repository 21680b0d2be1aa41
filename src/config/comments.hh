// Where comments go when a file is written anew, since keys may move then. A comment stands above the key
// that begins on its line or whose list it is in, else above the next key; behind the last key it ends the
// file.
#pragma once

#include <string>
#include <vector>

#include "config/document.hh"

namespace spiffe::config {

// Moves the document's comments to its entries. Returns the lines that end the file.
[[nodiscard]] std::vector<std::string> attach_comments(Document& document);

// `lines` as comments, which HCL, TOML and YAML write alike, each with `indent` spaces before it.
[[nodiscard]] std::string comment_text(const std::vector<std::string>& lines, std::size_t indent = 0);

}  // namespace spiffe::config
