// The blocks `start` and `reload` of the coming Go helper: other names of cmd, cmd_args, renew_signal and
// pid_file_name, and a command of their own, reload.cmd.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/binder.hh"
#include "config/config.hh"

namespace spiffe::config {

// A key at the top, and the key of a block that means the same.
struct LifecyclePair {
  std::string_view flat;
  std::string_view block;
};
inline constexpr LifecyclePair kLifecyclePairs[] = {{"cmd", "start.cmd"},
                                                    {"cmd_args", "start.args"},
                                                    {"renew_signal", "reload.signal"},
                                                    {"pid_file_name", "reload.pid_file_name"}};

// Moves what the blocks say to the keys at the top, also in `origins`, where the key of the block stays if it
// is the one that counts. Errors: pairs of which both are set.
[[nodiscard]] std::vector<Error> resolve_lifecycle(Config& config, Origins& origins);

// The key as the user wrote it: "start.cmd" for "cmd" if the block says it.
[[nodiscard]] std::string written_as(const Origins& origins, std::string_view key);

// reload.cmd and its arguments; empty if there is none.
[[nodiscard]] std::vector<std::string> reload_command(const Config& config);

// `root`, a configuration by the names of today, with the keys of the pairs in their blocks.
void use_lifecycle_blocks(Value& root);

}  // namespace spiffe::config
