// "Did you mean": the key that somebody had in mind who wrote another name.
#pragma once

#include <span>
#include <string_view>

namespace spiffe::config {

// The candidate that `name` probably means, "" if there is none: a typo, a shortened name, or the name that
// other programs of SPIFFE and TLS have for it ("socket_path", "ca_file"). Its case and whether its words are
// joined by '_', '-' or capitals do not matter. Candidates are names of keys, in lower case with '_'.
[[nodiscard]] std::string_view suggest_key(std::string_view name,
                                           std::span<const std::string_view> candidates);

}  // namespace spiffe::config
