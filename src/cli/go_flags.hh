// Go's flag syntax, turned into the one that CLI11 reads. Pure.
//
// Go takes -name, --name, -name=value and, for flags that are not boolean, -name value; a boolean flag takes
// its value only after '='. Old command lines and charts rely on each of these. Where upstream's own examples
// write
// "-daemon-mode false" (which Go reads as true, dropping the rest), we take what was meant.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spiffe::cli {

struct GoFlag {
  std::string name;  // without dashes
  bool boolean = false;
};

// `args` without the program's name -> every known flag as "--name=value"; unknown ones as "--name[=value]"
// for CLI11 to refuse; words as they are; everything from "--" on untouched.
[[nodiscard]] std::vector<std::string> normalise_flags(const std::vector<std::string>& args,
                                                       const std::vector<GoFlag>& known);

// As Go's strconv.ParseBool: 1, t, T, TRUE, true, True and their opposites.
[[nodiscard]] std::optional<bool> parse_go_bool(std::string_view text);

}  // namespace spiffe::cli
