// The version, as the build sets it.
#pragma once

namespace spiffe::cli {

inline constexpr const char* kVersion = SPIFFE_HELPER_VERSION;

}  // namespace spiffe::cli
