// A server and a client that authenticate each other by the files of spiffe-helper.
//
//   greeter serve DIRECTORY ACCEPTED_ID ADDRESS
//   greeter call DIRECTORY ACCEPTED_ID ADDRESS
//
// The messages are plain text, so that no code has to be generated.

#include <future>
#include <iostream>
#include <string>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "identity.hh"

namespace {

constexpr const char* kMethod = "/greeter.Greeter/Greet";

grpc::ByteBuffer bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

std::string text(const grpc::ByteBuffer& bytes) {
  grpc::Slice slice;
  if (!bytes.TrySingleSlice(&slice).ok()) return {};
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

class Greeting : public grpc::ServerGenericBidiReactor {
 public:
  explicit Greeting(const grpc::CallbackServerContext& context) {
    // Decide here what this client may do. Its ID has been verified in the handshake.
    for (const auto& id : context.auth_context()->FindPropertyValues(GRPC_PEER_SPIFFE_ID_PROPERTY_NAME)) {
      answer_ = bytes("hello, " + std::string(id.data(), id.size()));
    }
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish({grpc::StatusCode::INVALID_ARGUMENT, "no request"});
    StartWriteAndFinish(&answer_, {}, grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer request_;
  grpc::ByteBuffer answer_;
};

class Greeter : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Greeting(*context);
  }
};

int serve(const Identity& identity, const std::string& address) {
  Greeter greeter;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, server_credentials(identity));
  builder.RegisterCallbackGenericService(&greeter);
  const auto server = builder.BuildAndStart();
  if (!server) return 1;
  server->Wait();
  return 0;
}

int call(const Identity& identity, const std::string& address) {
  grpc::GenericStub stub(grpc::CreateChannel(address, client_credentials(identity)));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  const grpc::ByteBuffer request = bytes("");
  grpc::ByteBuffer answer;
  std::promise<grpc::Status> promise;
  stub.UnaryCall(&context, kMethod, {}, &request, &answer,
                 [&promise](grpc::Status status) { promise.set_value(std::move(status)); });
  const grpc::Status status = promise.get_future().get();
  if (!status.ok()) {
    std::cerr << "refused: " << status.error_message() << '\n';
    return 1;
  }
  std::cout << text(answer) << ", from " << identity.accept << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: greeter serve|call DIRECTORY ACCEPTED_ID ADDRESS\n";
    return 2;
  }
  const Identity identity{argv[2], argv[3]};
  return argv[1] == std::string("serve") ? serve(identity, argv[4]) : call(identity, argv[4]);
}
