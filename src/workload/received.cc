#include "workload/received.hh"

#include <cstdint>
#include <vector>

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include "base/secret.hh"

namespace spiffe::workload {

namespace {

// The slices share their memory with the transport, which has already counted these bytes and does not read
// them again. They contain nothing but this message.
void wipe(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  if (!bytes.Dump(&slices).ok()) return;
  for (const grpc::Slice& slice : slices) cleanse(const_cast<std::uint8_t*>(slice.begin()), slice.size());
}

}  // namespace

std::string take_message(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  bool good = false;
  {
    grpc::ProtoBufferReader reader(&bytes);
    good = reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
  }
  wipe(bytes);
  bytes.Clear();
  return good ? std::string() : "the agent sent a message that is not a valid " + message.GetTypeName();
}

}  // namespace spiffe::workload
