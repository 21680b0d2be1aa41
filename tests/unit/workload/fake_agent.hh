// A Workload API server in the test's process, for behaviour that spiffe-dev-agent does not have: it holds
// calls back, and reports the requests that it received.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "workload.grpc.pb.h"

namespace spiffe::test {

class FakeAgent {
 public:
  struct Seen {
    std::vector<std::string> audiences;
    std::string spiffe_id;
    std::size_t headers;  // of "workload.spiffe.io: true"
    bool deadline;
  };
  // Empty: the call is held until it is cancelled or release() is called. Any thread.
  using Answer = std::function<std::optional<grpc::Status>(const JWTSVIDRequest&, JWTSVIDResponse&)>;

  FakeAgent(const std::string& socket, Answer answer) : service_(std::move(answer)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~FakeAgent() {
    release();
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  // All calls so far; and the number of those held now.
  [[nodiscard]] std::vector<Seen> seen() { return service_.seen(); }
  [[nodiscard]] std::size_t held() { return service_.held(); }
  // All held calls end as Unavailable.
  void release() { service_.release(); }
  // The one message of every JWT bundle stream; each ends after it.
  void set_bundles(std::vector<std::pair<std::string, std::string>> bundles) {
    service_.set_bundles(std::move(bundles));
  }

 private:
  using Base = SpiffeWorkloadAPI::WithCallbackMethod_FetchJWTSVID<SpiffeWorkloadAPI::Service>;

  class Service final : public Base {
   public:
    explicit Service(Answer answer) : answer_(std::move(answer)) {}

    grpc::ServerUnaryReactor* FetchJWTSVID(grpc::CallbackServerContext* context,
                                           const JWTSVIDRequest* request,
                                           JWTSVIDResponse* response) override {
      const std::lock_guard lock(mutex_);
      const bool deadline = context->deadline() != std::chrono::system_clock::time_point::max();
      seen_.push_back({{request->audience().begin(), request->audience().end()},
                       request->spiffe_id(),
                       context->client_metadata().count("workload.spiffe.io"),
                       deadline});
      const auto status = answer_(*request, *response);
      if (status) {
        grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
        reactor->Finish(*status);
        return reactor;
      }
      auto* held = new Held(*this);
      held_.insert(held);
      return held;
    }

    grpc::Status FetchJWTBundles(grpc::ServerContext*, const JWTBundlesRequest*,
                                 grpc::ServerWriter<JWTBundlesResponse>* writer) override {
      JWTBundlesResponse message;
      {
        const std::lock_guard lock(mutex_);
        for (const auto& [domain, jwks] : bundles_) (*message.mutable_bundles())[domain] = jwks;
      }
      writer->Write(message);
      return {grpc::StatusCode::UNAVAILABLE, "the fake agent ends every stream"};
    }

    std::vector<Seen> seen() {
      const std::lock_guard lock(mutex_);
      return seen_;
    }
    std::size_t held() {
      const std::lock_guard lock(mutex_);
      return held_.size();
    }
    void release() {
      std::set<Held*> all;
      {
        const std::lock_guard lock(mutex_);
        all.swap(held_);
      }
      for (Held* held : all) held->Finish({grpc::StatusCode::UNAVAILABLE, "released"});
    }

    void set_bundles(std::vector<std::pair<std::string, std::string>> bundles) {
      const std::lock_guard lock(mutex_);
      bundles_ = std::move(bundles);
    }

   private:
    class Held final : public grpc::ServerUnaryReactor {
     public:
      explicit Held(Service& service) : service_(service) {}
      void OnCancel() override {
        if (service_.forget(this)) Finish(grpc::Status::CANCELLED);
      }
      void OnDone() override { delete this; }

     private:
      Service& service_;
    };

    bool forget(Held* held) {
      const std::lock_guard lock(mutex_);
      return held_.erase(held) > 0;
    }

    Answer answer_;
    std::mutex mutex_;
    std::vector<Seen> seen_;
    std::set<Held*> held_;
    std::vector<std::pair<std::string, std::string>> bundles_;
  };

  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace spiffe::test
