// The environment of a child.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace spiffe::process {

// `ours` ("NAME=value" …, ended by null) without the variables that systemd set for this process only
// (NOTIFY_SOCKET, WATCHDOG_*). `additions` replace variables of the same name.
[[nodiscard]] std::vector<std::string> child_environment(
    const char* const* ours, const std::vector<std::pair<std::string, std::string>>& additions);

}  // namespace spiffe::process
