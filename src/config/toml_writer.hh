// Writes a configuration as TOML.
#pragma once

#include <string>

#include "config/document.hh"

namespace spiffe::config {

// `object` with the comments of its entries. Its objects become [tables], its lists of objects [[arrays]],
// both behind its other keys; what is deeper stands inline. Null is left out; integers must be decimal. The
// error (kind config): a string that is no UTF-8.
[[nodiscard]] Result<std::string> to_toml(const Value& object);

}  // namespace spiffe::config
