// cmd_args as one string. The Go helper splits it with a CSV reader whose separator is a space.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"

namespace spiffe::config {

// Splits at single spaces (two make an empty argument). "…" quotes an argument that begins with it; inside,
// "" is one quote, and line ends are kept. Only the first line that is not empty counts. The error (kind
// config) names the column in `text`, in bytes from 1: `has a " inside an unquoted argument at column 4`.
[[nodiscard]] Result<std::vector<std::string>> split_args(std::string_view text);

// The words that a shell would make of `text` if arguments of split_args() show that single quotes were meant
// to quote: `-g 'daemon off;'`. Empty if none does, or if a quote is not closed.
[[nodiscard]] std::vector<std::string> single_quoted(std::string_view text,
                                                     const std::vector<std::string>& arguments);

}  // namespace spiffe::config
