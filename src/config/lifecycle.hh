// The blocks `start` and `reload` of the coming Go helper: other names for cmd, cmd_args, renew_signal and
// pid_file_name, and an additional command, reload.cmd.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/binder.hh"
#include "config/config.hh"

namespace spiffe::config {

// A key at the top level, and the equivalent key of a block.
struct LifecyclePair {
  std::string_view flat;
  std::string_view block;
};
inline constexpr LifecyclePair kLifecyclePairs[] = {{"cmd", "start.cmd"},
                                                    {"cmd_args", "start.args"},
                                                    {"renew_signal", "reload.signal"},
                                                    {"pid_file_name", "reload.pid_file_name"}};

// Moves values of the blocks to the keys at the top level, also in `origins`, which keeps the block's key if
// that one applies. Errors: both keys of a pair are set.
[[nodiscard]] std::vector<Error> resolve_lifecycle(Config& config, Origins& origins);

// The key as the user wrote it: "start.cmd" for "cmd" if it is set in the block.
[[nodiscard]] std::string written_as(const Origins& origins, std::string_view key);

// reload.cmd and its arguments; empty if there is none.
[[nodiscard]] std::vector<std::string> reload_command(const Config& config);

// Moves keys of `root`, a configuration with current names, to their blocks.
void use_lifecycle_blocks(Value& root);

}  // namespace spiffe::config
