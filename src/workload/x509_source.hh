// The workload's X.509-SVIDs, as the agent pushes them (FetchX509SVID).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "base/endpoint.hh"
#include "base/loop.hh"
#include "workload/stream.hh"
#include "workload/x509_inbox.hh"
#include "workload/x509_update.hh"

namespace spiffe::workload {

// Belongs to the loop's thread; its callbacks run there. The stream's thread reads a message, passes it on,
// verifies it and reports the verdict. Keys are in cleansing buffers as soon as a message has been read; the
// message's own copy is cleansed.
class X509Source {
 public:
  using Updates = X509Inbox::Updates;
  struct Callbacks {
    // The newest message, which may not be verified yet: one update for each of the rules, in their order.
    // Messages that arrive while the loop is busy are coalesced: each is the full state, so only the last one
    // counts.
    std::function<void(const Updates&)> on_update = nullptr;
    // The verdict of update `index`. Called for each of them, before the next message.
    std::function<void(std::size_t index, const std::shared_ptr<X509Update>&)> on_judged;
    std::function<void(const Lost&)> on_lost;
    // The first message after one or more failures.
    std::function<void()> on_restored;
  };

  // `rules`: of each configured identity.
  X509Source(Loop& loop, Endpoint endpoint, std::vector<X509Rules> rules, Callbacks callbacks);

  void start() { stream_.start(); }
  // As Stream::stop().
  void stop() {
    alive_.reset();
    stream_.stop();
  }

 private:
  Stream::Body reader(const Loop& loop);
  void look();

  Callbacks callbacks_;
  std::shared_ptr<X509Inbox> inbox_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  Stream stream_;
};

}  // namespace spiffe::workload
