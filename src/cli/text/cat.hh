// Putting text together.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace spiffe::cli {

// The parts one after the other: a call, where a chain of + would be a temporary for each.
[[nodiscard]] std::string cat(std::initializer_list<std::string_view> parts);

}  // namespace spiffe::cli
