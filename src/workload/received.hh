// Parses what gRPC received, and wipes it.
#pragma once

#include <string>

namespace google::protobuf {
class MessageLite;
}
namespace grpc {
class ByteBuffer;
}

namespace spiffe::workload {

// Parses `bytes` as `message` and zeroes them in place. gRPC keeps the buffers that it reads the connection
// into while there is room in them, so keys and tokens would stay there long after use. Returns "" or the
// error.
[[nodiscard]] std::string take_message(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

}  // namespace spiffe::workload
