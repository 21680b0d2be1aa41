// "Did you mean": the key that was probably meant by an unknown name.
#pragma once

#include <span>
#include <string_view>

namespace spiffe::config {

// The candidate that `name` probably means, "" if there is none: a typo, a shortened name, or the name that
// other SPIFFE and TLS programs use for it ("socket_path", "ca_file"). Case does not matter, nor whether
// words are joined by '_', '-' or capitals. Candidates are names of keys, in lower case with '_'.
[[nodiscard]] std::string_view suggest_key(std::string_view name,
                                           std::span<const std::string_view> candidates);

}  // namespace spiffe::config
