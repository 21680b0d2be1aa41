// Writes a configuration as YAML that YAML 1.1 and 1.2 read alike.
#pragma once

#include <string>

#include "config/document.hh"

namespace spiffe::config {

// `object` with the comments of its entries. Lists of plain values are written in brackets, all else in block
// style. Null is left out; integers are written unchanged. The error (kind config): a string that is not
// UTF-8.
[[nodiscard]] Result<std::string> to_yaml(const Value& object);

}  // namespace spiffe::config
