#include "process/environment.hh"

#include <algorithm>
#include <string_view>

namespace spiffe::process {

std::vector<std::string> child_environment(
    const char* const* ours, const std::vector<std::pair<std::string, std::string>>& additions) {
  std::vector<std::string> out;
  for (; *ours != nullptr; ++ours) {
    const std::string_view entry(*ours);
    const std::string_view name = entry.substr(0, entry.find('='));
    if (name == "NOTIFY_SOCKET" || name.starts_with("WATCHDOG_")) continue;
    if (std::ranges::any_of(additions, [&](const auto& added) { return added.first == name; })) continue;
    out.emplace_back(entry);
  }
  for (const auto& [name, value] : additions) out.emplace_back(name).append("=").append(value);
  return out;
}

}  // namespace spiffe::process
