#include "workload/message_stream.hh"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "support/catch.hh"
#include "support/temp_dir.hh"
#include "workload.grpc.pb.h"
#include "workload/channel.hh"

using grpc::ByteBuffer;
using grpc::Slice;
using spiffe::Endpoint;
using spiffe::test::TempDir;
using spiffe::workload::MessageStream;

namespace {

// Sends the given bytes on every stream, then ends it with `end`, or not at all.
class RawAgent {
 public:
  RawAgent(std::deque<std::string> messages, std::optional<grpc::Status> end)
      : service_(std::move(messages), std::move(end)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + dir_.path() + "/agent.sock", grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~RawAgent() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  [[nodiscard]] Endpoint endpoint() const { return *Endpoint::parse(dir_.path() + "/agent.sock"); }

 private:
  using Base = SpiffeWorkloadAPI::WithRawCallbackMethod_FetchX509SVID<SpiffeWorkloadAPI::Service>;

  class Service final : public Base {
   public:
    Service(std::deque<std::string> messages, std::optional<grpc::Status> end)
        : messages_(std::move(messages)), end_(std::move(end)) {}

    grpc::ServerWriteReactor<ByteBuffer>* FetchX509SVID(grpc::CallbackServerContext*,
                                                        const ByteBuffer*) override {
      return new Writer(messages_, end_);
    }

   private:
    class Writer final : public grpc::ServerWriteReactor<ByteBuffer> {
     public:
      Writer(std::deque<std::string> messages, std::optional<grpc::Status> end)
          : messages_(std::move(messages)), end_(std::move(end)) {
        next();
      }
      void OnWriteDone(bool) override { next(); }
      void OnCancel() override {
        if (!end_) Finish(grpc::Status::CANCELLED);
      }
      void OnDone() override { delete this; }

     private:
      void next() {
        if (messages_.empty()) {
          if (end_) Finish(*end_);
          return;
        }
        const Slice slice(messages_.front());
        messages_.pop_front();
        bytes_ = ByteBuffer(&slice, 1);
        StartWrite(&bytes_);
      }

      std::deque<std::string> messages_;
      std::optional<grpc::Status> end_;
      ByteBuffer bytes_;
    };

    std::deque<std::string> messages_;
    std::optional<grpc::Status> end_;
  };

  TempDir dir_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

std::string message(const std::string& id) {
  X509SVIDResponse response;
  response.add_svids()->set_spiffe_id(id);
  return response.SerializeAsString();
}

}  // namespace

TEST_CASE("a stream returns its messages and then how it ended") {
  RawAgent agent({message("a"), message("b")}, grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no more"));
  grpc::ClientContext context;
  MessageStream stream(agent.endpoint(), "FetchX509SVID", context);
  X509SVIDResponse response;
  REQUIRE(stream.read(response));
  CHECK(response.svids(0).spiffe_id() == "a");
  REQUIRE(stream.read(response));
  CHECK(response.svids(0).spiffe_id() == "b");
  CHECK_FALSE(stream.read(response));
  const auto end = stream.finish();
  CHECK(end.code == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(end.message == "no more");
}

TEST_CASE("a stream that sends an invalid message is cancelled, although it stays open") {
  // Wire types that do not exist, text that is not UTF-8, an end that comes too early.
  spiffe::workload::init_grpc();  // sends Protobuf's error to our log
  std::string no_text = message("a-");
  no_text.back() = '\xff';
  for (const std::string& rubbish : {std::string("\xff\xff\xff\xff"), no_text, message("a").substr(1)}) {
    CAPTURE(rubbish);
    RawAgent agent({message("a"), rubbish, message("b")}, std::nullopt);
    grpc::ClientContext context;
    MessageStream stream(agent.endpoint(), "FetchX509SVID", context);
    X509SVIDResponse response;
    REQUIRE(stream.read(response));
    CHECK_FALSE(stream.read(response));
    const auto end = stream.finish();
    CHECK(end.code == grpc::StatusCode::INTERNAL);
    CHECK(end.message == "the agent sent a message that is not a valid X509SVIDResponse");
  }
}

TEST_CASE("a stream that waits for its first message can be cancelled") {
  RawAgent agent({}, std::nullopt);
  grpc::ClientContext context;
  MessageStream stream(agent.endpoint(), "FetchX509SVID", context);
  context.TryCancel();
  X509SVIDResponse response;
  CHECK_FALSE(stream.read(response));
  CHECK(stream.finish().code == grpc::StatusCode::CANCELLED);
}

TEST_CASE("a stream that cannot be opened returns the error") {
  const TempDir dir;
  grpc::ClientContext context;
  MessageStream stream(*Endpoint::parse(dir.path() + "/none.sock"), "FetchX509SVID", context);
  X509SVIDResponse response;
  CHECK_FALSE(stream.read(response));
  CHECK(stream.finish().code == grpc::StatusCode::UNAVAILABLE);
}
