#include "workload/message_stream.hh"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include "workload/channel.hh"
#include "workload/received.hh"

namespace spiffe::workload {

// Operations run one at a time: each is awaited before the next begins.
struct MessageStream::Call {
  ~Call() {
    queue.Shutdown();
    done();  // no operation is pending: the queue only reports that it is empty
  }
  bool done() {
    void* tag = nullptr;
    bool good = false;
    return queue.Next(&tag, &good) && good;
  }

  grpc::CompletionQueue queue;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
};

MessageStream::MessageStream(const Endpoint& endpoint, const std::string& method,
                             grpc::ClientContext& context)
    : call_(std::make_unique<Call>()), context_(context) {
  call_->stream = grpc::GenericStub(open_channel(endpoint))
                      .PrepareCall(&context, "/SpiffeWorkloadAPI/" + method, &call_->queue);
  call_->stream->StartCall(nullptr);
  if (!call_->done()) return;
  const grpc::Slice nothing;
  call_->stream->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(), nullptr);
  call_->done();
}

MessageStream::~MessageStream() = default;

bool MessageStream::read(google::protobuf::MessageLite& message) {
  grpc::ByteBuffer bytes;
  call_->stream->Read(&bytes, nullptr);
  if (!call_->done()) return false;
  rubbish_ = take_message(bytes, message);
  return rubbish_.empty();
}

StreamEnd MessageStream::finish() {
  if (!rubbish_.empty()) context_.TryCancel();
  grpc::Status status;
  call_->stream->Finish(&status, nullptr);
  call_->done();
  if (!rubbish_.empty()) return {grpc::StatusCode::INTERNAL, rubbish_};
  return {static_cast<int>(status.error_code()), status.error_message()};
}

}  // namespace spiffe::workload
