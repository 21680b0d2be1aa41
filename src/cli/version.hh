// The version, set by the build.
#pragma once

namespace spiffe::cli {

inline constexpr const char* kVersion = SPIFFE_HELPER_VERSION;

}  // namespace spiffe::cli
