// Writes a configuration as HCL 1 that the Go helper can read.
#pragma once

#include <string>

#include "config/document.hh"

namespace spiffe::config {

// `object` with the comments of its entries. Objects become blocks, except in lists. Null is left out;
// integers must be decimal.
[[nodiscard]] std::string to_hcl(const Value& object);

}  // namespace spiffe::config
