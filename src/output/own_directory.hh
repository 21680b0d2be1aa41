// An output that is a directory of the helper's own: the helper adds and removes its members.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"
#include "output/place.hh"

namespace spiffe::output {

// Whether a directory with these members (Format::members) may contain this name. "*.pem" matches every name
// with this end that does not begin with ".."; "?name" and "name" match only this name. Pure.
[[nodiscard]] bool is_member(std::string_view members, std::string_view name);
// The members that always exist: words without "*" or "?". Pure.
[[nodiscard]] std::vector<std::string> fixed_members(std::string_view members);

// Members in the directory that are not in `items`, left by an earlier run or by another program. An error if
// one of them may belong to another program: it is not a helper's link, and there are also files that are not
// members. Then the directory is not ours alone; for example, "/etc/ssl/certs" was configured.
[[nodiscard]] Result<std::vector<std::string>> find_strays(const Place& place, std::string_view members,
                                                           std::span<const Item> items);

// Members in the directory and in the live generation, sorted.
[[nodiscard]] Result<std::vector<std::string>> find_members(const Place& place, std::string_view members);

}  // namespace spiffe::output
