// Go's flag syntax, read with CLI11. Pure.
//
// Go takes -name, --name, -name=value and, for flags that are not boolean, -name value; a boolean flag takes
// its value only after '='. Old command lines and charts rely on each of these. Where upstream's own examples
// write
// "-daemon-mode false" (which Go reads as true, dropping the rest), we take what was meant.
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
  bool help = false;                                        // -h or -help, where those are known
  std::vector<std::pair<std::string, std::string>> values;  // by flag, those of one in order; no help
  std::vector<std::string> words;                           // what is no flag
  std::optional<std::vector<std::string>> behind;           // what follows "--", if that is there
};

// `args` without the program's name. Errors are of kind usage; an unknown flag is none where help is asked
// for.
[[nodiscard]] Result<GivenFlags> parse_flags(std::span<const std::string> args,
                                             const std::vector<GoFlag>& known);

// As Go's strconv.ParseBool: 1, t, T, TRUE, true, True and their opposites.
[[nodiscard]] std::optional<bool> parse_go_bool(std::string_view text);

}  // namespace spiffe::cli
