// Writes a configuration as TOML.
#pragma once

#include <string>

#include "config/document.hh"

namespace spiffe::config {

// `object` with the comments of its entries. Its objects become [tables], its lists of objects [[arrays]],
// both after its other keys; deeper ones are written inline. Null is left out; integers must be decimal. The
// error (kind config): a string that is not UTF-8.
[[nodiscard]] Result<std::string> to_toml(const Value& object);

}  // namespace spiffe::config
