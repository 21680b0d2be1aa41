// The kinds of material that an agent delivers. Metrics count them separately, and the configuration chooses
// by kind which consumers to notify.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace spiffe::identity {

enum class Kind {
  x509,    // X.509-SVIDs and bundles
  jwt,     // JWT-SVIDs
  bundle,  // JWT bundles
};
inline constexpr std::size_t kKinds = 3;
// By Kind: the words in the configuration, the log and the metrics.
inline constexpr std::array<std::string_view, kKinds> kKindWords = {"x509", "jwt", "bundle"};
[[nodiscard]] inline std::string word_of(Kind kind) {
  return std::string(kKindWords[static_cast<std::size_t>(kind)]);
}

}  // namespace spiffe::identity
