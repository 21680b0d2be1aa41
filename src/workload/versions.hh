// The versions of the libraries that the program was built with.
#pragma once

#include <string>

namespace spiffe::workload {

[[nodiscard]] std::string grpc_version();
[[nodiscard]] std::string protobuf_version();

}  // namespace spiffe::workload
