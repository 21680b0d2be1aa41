// Concatenates text.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace spiffe::cli {

// The parts in order. A chain of + would create a temporary for each part; this is one call.
[[nodiscard]] std::string cat(std::initializer_list<std::string_view> parts);

}  // namespace spiffe::cli
