// Users and groups by name, read from /etc/passwd and /etc/group directly: NSS does not work in a static
// binary.
#pragma once

#include <string_view>

#include <sys/types.h>

#include "base/result.hh"

namespace spiffe {

// A number, or a name found in /etc/passwd (first) or /etc/group. Error kind config: "no user is called …".
[[nodiscard]] Result<uid_t> find_user(std::string_view name_or_number);
[[nodiscard]] Result<gid_t> find_group(std::string_view name_or_number);

}  // namespace spiffe
