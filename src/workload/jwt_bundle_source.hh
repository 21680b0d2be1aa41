// The JWT bundles of the workload's trust domain and of those federated with it, as the agent pushes them
// (FetchJWTBundles).
#pragma once

#include <functional>
#include <memory>

#include "base/endpoint.hh"
#include "base/loop.hh"
#include "identity/jwt_material.hh"
#include "workload/latest.hh"
#include "workload/stream.hh"

namespace spiffe::workload {

// Belongs to the loop's thread; its callbacks run there. Like X509Source, with a channel of its own.
class JwtBundleSource {
 public:
  struct Callbacks {
    // The newest message. Messages that it replaced before the loop took them are dropped.
    std::function<void(identity::JwtBundlesMaterial)> on_update;
    std::function<void(const Lost&)> on_lost;
    // The first message after one or more failures.
    std::function<void()> on_restored;
  };

  JwtBundleSource(Loop& loop, Endpoint endpoint, Callbacks callbacks);

  void start() { stream_.start(); }
  // As Stream::stop().
  void stop() {
    alive_.reset();
    stream_.stop();
  }

 private:
  using Inbox = Latest<identity::JwtBundlesMaterial>;
  Stream::Body reader(const Loop& loop);
  void take_latest();

  Callbacks callbacks_;
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();  // the stream's thread may outlive us
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  Stream stream_;
};

}  // namespace spiffe::workload
