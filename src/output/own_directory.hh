// An output that is a directory, which is the helper's alone: its members come and go.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"
#include "output/place.hh"

namespace spiffe::output {

// Whether a directory with these members (Format::members) can hold this name: "*.pem" stands for every name
// that ends so and does not begin with "..", anything else for itself. Pure.
[[nodiscard]] bool is_member(std::string_view members, std::string_view name);
// The members that are always there: those without "*". Pure.
[[nodiscard]] std::vector<std::string> fixed_members(std::string_view members);

// Members in the directory that are none of `items`: left by an earlier life, or put there by somebody. An
// error where one may be a file of somebody else: it is no link of a helper's, and what lies beside it is
// no member. Then the directory is not ours alone, as when "/etc/ssl/certs" is named.
[[nodiscard]] Result<std::vector<std::string>> find_strays(const Place& place, std::string_view members,
                                                           std::span<const Item> items);

// Members in the directory and in the live generation, sorted.
[[nodiscard]] Result<std::vector<std::string>> find_members(const Place& place, std::string_view members);

}  // namespace spiffe::output
