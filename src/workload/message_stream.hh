// Reads the messages of one server-streaming call, blocking.
//
// gRPC's own blocking reader reports an invalid message in the same way as the end of the stream. A caller
// that then asks for the status would block until the agent closes the stream, and would miss all further
// messages.
#pragma once

#include <memory>
#include <string>

#include "base/endpoint.hh"
#include "workload/failure.hh"

namespace google::protobuf {
class MessageLite;
}
namespace grpc {
class ClientContext;
}

namespace spiffe::workload {

// One thread, which may block; `context` may be cancelled from any other.
class MessageStream {
 public:
  // Calls `method` ("FetchX509SVID") with an empty request.
  MessageStream(const Endpoint& endpoint, const std::string& method, grpc::ClientContext& context);
  ~MessageStream();
  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;

  // False if the stream has ended, or sent something that is not such a message.
  bool read(google::protobuf::MessageLite& message);
  // To be called once, after read() returned false. After an invalid message, cancels the stream and reports
  // that error.
  StreamEnd finish();

 private:
  struct Call;
  std::unique_ptr<Call> call_;
  grpc::ClientContext& context_;
  std::string rubbish_;  // the error of the last message, "" if it was valid
};

}  // namespace spiffe::workload
