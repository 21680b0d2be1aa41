// libyaml's errors in our words.
#pragma once

#include <string_view>
#include <vector>

#include <yaml.h>

#include "config/document.hh"

namespace spiffe::config {

// From libyaml's places, which count characters, to ours: libyaml ends lines at more than "\n".
class YamlPlaces {
 public:
  // `text` must be valid UTF-8; it is not kept.
  explicit YamlPlaces(std::string_view text);
  [[nodiscard]] Position of(const yaml_mark_t& mark) const { return at(mark.index); }
  [[nodiscard]] Position at(std::size_t character) const;
  // Where the line behind this one begins, in characters.
  [[nodiscard]] std::size_t next_line(std::size_t character) const;
  [[nodiscard]] std::size_t end() const { return end_; }  // of the text, in characters

 private:
  std::vector<std::size_t> lines_ = {0};  // where each begins
  std::size_t end_ = 0;
};

// What the parser stopped at. `text` is what it was given.
[[nodiscard]] std::unexpected<Error> yaml_error(const yaml_parser_t& parser, std::string_view text,
                                                const YamlPlaces& places, std::string_view source);

}  // namespace spiffe::config
