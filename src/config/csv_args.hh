// cmd_args as one string: the Go helper splits it with a CSV reader whose comma is a space.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"

namespace spiffe::config {

// Split at single spaces (two make an empty argument); "…" quotes an argument that begins with it, "" inside
// it is one quote and line ends inside it are kept; only the first line that is not empty counts. The error
// (kind config) names the column in `text`, in bytes from 1: `has a " inside an unquoted argument at column
// 4`.
[[nodiscard]] Result<std::vector<std::string>> split_args(std::string_view text);

// What a shell would have made of `text`, where an argument of split_args() shows that single quotes were
// meant to quote: `-g 'daemon off;'`. Empty where none does, or a quote is never closed.
[[nodiscard]] std::vector<std::string> single_quoted(std::string_view text,
                                                     const std::vector<std::string>& arguments);

}  // namespace spiffe::config
