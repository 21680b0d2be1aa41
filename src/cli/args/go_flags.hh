// Go's flag syntax, read with CLI11. Pure.
//
// Go accepts -name, --name, -name=value and, for flags that are not boolean, -name value; a boolean flag
// takes a value only after '='. Old command lines and charts use all of these. Upstream's examples contain
// "-daemon-mode false", which Go reads as true and ignores the rest; we read it as intended.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hh"

namespace spiffe::cli {

struct GoFlag {
  std::string name;  // without dashes
  bool boolean = false;
};

struct GivenFlags {
  bool help = false;                                        // -h or -help, if they are known flags
  std::vector<std::pair<std::string, std::string>> values;  // by flag, repeated ones in order; without help
  std::vector<std::string> words;                           // arguments that are not flags
  std::optional<std::vector<std::string>> behind;           // words after "--", if it is there
};

// `args` without the program's name. Errors are of kind usage. Unknown flags are accepted if help is
// requested.
[[nodiscard]] Result<GivenFlags> parse_flags(std::span<const std::string> args,
                                             const std::vector<GoFlag>& known);

// As Go's strconv.ParseBool: 1, t, T, TRUE, true, True and their opposites.
[[nodiscard]] std::optional<bool> parse_go_bool(std::string_view text);

}  // namespace spiffe::cli
