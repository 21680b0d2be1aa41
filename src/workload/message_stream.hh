// The messages of one server-streaming call, read in the way of a blocking loop.
//
// gRPC's own blocking reader says the same of a message that is none as of a stream that has ended; who then
// asks how it ended waits for as long as the agent keeps the stream open, and hears nothing more of it.
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

  // False: the stream has ended, or sent what is none of these messages.
  bool read(google::protobuf::MessageLite& message);
  // Once, after read() said false. A stream that sent rubbish is left, and that is how it ended.
  StreamEnd finish();

 private:
  struct Call;
  std::unique_ptr<Call> call_;
  grpc::ClientContext& context_;
  std::string rubbish_;  // what was wrong with the last message, "" where nothing was
};

}  // namespace spiffe::workload
