// What gRPC received, read and wiped.
#pragma once

#include <string>

namespace google::protobuf {
class MessageLite;
}
namespace grpc {
class ByteBuffer;
}

namespace spiffe::workload {

// Parses `bytes` as `message` and zeroes them where they lie, in the buffers that gRPC reads the connection
// into and keeps for as long as there is room in them: keys and tokens would be there long after their time.
// "" or what was wrong.
[[nodiscard]] std::string take_message(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

}  // namespace spiffe::workload
