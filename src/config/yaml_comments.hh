// The comments of a YAML file, which libyaml drops.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "config/document.hh"

namespace spiffe::config {

// A part of the text, in characters from 0.
struct TextRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// Every `#` that begins a line or follows white space, to the end of its line, outside of `scalars`: the
// ranges of values and keys, in order.
[[nodiscard]] std::vector<Comment> yaml_comments(std::string_view text,
                                                 const std::vector<TextRange>& scalars);

}  // namespace spiffe::config
