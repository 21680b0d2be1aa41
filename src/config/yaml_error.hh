// Converts libyaml's errors to our own.
#pragma once

#include <string_view>
#include <vector>

#include <yaml.h>

#include "config/document.hh"

namespace spiffe::config {

// Converts libyaml's positions, which count characters, to ours: libyaml ends lines at more characters than
// "\n".
class YamlPlaces {
 public:
  // `text` must be valid UTF-8; it is not kept.
  explicit YamlPlaces(std::string_view text);
  [[nodiscard]] Position of(const yaml_mark_t& mark) const { return at(mark.index); }
  [[nodiscard]] Position at(std::size_t character) const;
  // Start of the next line, in characters.
  [[nodiscard]] std::size_t next_line(std::size_t character) const;
  [[nodiscard]] std::size_t end() const { return end_; }  // of the text, in characters

 private:
  std::vector<std::size_t> lines_ = {0};  // the start of each line
  std::size_t end_ = 0;
};

// The error that stopped the parser. `text` is its input.
[[nodiscard]] std::unexpected<Error> yaml_error(const yaml_parser_t& parser, std::string_view text,
                                                const YamlPlaces& places, std::string_view source);

}  // namespace spiffe::config
