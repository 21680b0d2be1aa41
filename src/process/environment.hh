// The environment of a child.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace spiffe::process {

// `ours` ("NAME=value" …, ended by null) without what systemd meant for this process alone (NOTIFY_SOCKET,
// WATCHDOG_*), with `additions` in place of variables of the same name.
[[nodiscard]] std::vector<std::string> child_environment(
    const char* const* ours, const std::vector<std::pair<std::string, std::string>>& additions);

}  // namespace spiffe::process
