// The workload's X.509-SVIDs, as the agent pushes them (FetchX509SVID).
#pragma once

#include <functional>
#include <memory>

#include "base/endpoint.hh"
#include "base/loop.hh"
#include "workload/stream.hh"
#include "workload/x509_update.hh"

namespace spiffe::workload {

// Belongs to the loop's thread; its callbacks run there. The stream's thread reads a message, hands it over
// and then verifies it. Keys travel in cleansing buffers from the moment a message has been read; the
// message's own copy is cleansed.
class X509Source {
 public:
  struct Callbacks {
    // The newest message, which may not be judged yet. Messages that arrive while the loop is busy are
    // coalesced: each is the full state, so only the last one counts.
    std::function<void(std::shared_ptr<X509Update>)> on_update;
    std::function<void(const Lost&)> on_lost;
    // The first message after one or more failures.
    std::function<void()> on_restored;
  };

  X509Source(Loop& loop, Endpoint endpoint, X509Rules rules, Callbacks callbacks);

  void start() { stream_.start(); }
  // As Stream::stop().
  void stop() {
    alive_.reset();
    stream_.stop();
  }

 private:
  struct Inbox;
  Stream::Body reader(const Loop& loop);
  void take_latest();

  Callbacks callbacks_;
  std::shared_ptr<Inbox> inbox_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  Stream stream_;
};

}  // namespace spiffe::workload
