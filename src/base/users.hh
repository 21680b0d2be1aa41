// Looks up users and groups in /etc/passwd and /etc/group directly, because NSS does not work in a static
// program.
#pragma once

#include <string_view>

#include <sys/types.h>

#include "base/result.hh"

namespace spiffe {

// A number, or the first matching name in /etc/passwd or /etc/group. Error kind config: "no user is called
// …".
[[nodiscard]] Result<uid_t> find_user(std::string_view name_or_number);
[[nodiscard]] Result<gid_t> find_group(std::string_view name_or_number);

}  // namespace spiffe
