// The workload's X.509-SVIDs, as the agent pushes them (FetchX509SVID).
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "base/endpoint.hh"
#include "base/loop.hh"
#include "identity/x509_material.hh"
#include "workload/stream.hh"

namespace spiffe::workload {

// Belongs to the loop's thread; its callbacks run there. Keys travel in cleansing buffers from the moment a
// message has been read; the message's own copy is cleansed.
class X509Source {
 public:
  struct Callbacks {
    // The newest message. Messages that arrive while the loop is busy are coalesced: each is the full state,
    // so only the last one counts.
    std::function<void(identity::X509Material)> on_update;
    std::function<void(const Lost&)> on_lost;
    // The first message after one or more failures.
    std::function<void()> on_restored;
  };

  X509Source(Loop& loop, Endpoint endpoint, Callbacks callbacks);

  void start() { stream_.start(); }

 private:
  // The newest message that the loop has not taken yet.
  class Slot {
   public:
    ~Slot() { delete newest_.load(); }
    // Returns what was there.
    std::unique_ptr<identity::X509Material> put(std::unique_ptr<identity::X509Material> material) {
      return std::unique_ptr<identity::X509Material>(newest_.exchange(material.release()));
    }

   private:
    std::atomic<identity::X509Material*> newest_ = nullptr;
  };

  void take_latest();

  Loop& loop_;
  Callbacks callbacks_;
  Slot latest_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  Stream stream_;  // last: its thread uses what stands above
};

}  // namespace spiffe::workload
