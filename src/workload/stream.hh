// One long-lived stream of the Workload API. Its own thread reads it, and it is opened again after it ends.
//
// Stream belongs to the loop's thread. The body runs on the stream's thread, may only post, and may outlive
// the Stream: see ~Stream().
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <random>

#include "base/endpoint.hh"
#include "base/loop.hh"
#include "workload/failure.hh"
#include "workload/retry.hh"
#include "workload/socket_probe.hh"

namespace grpc {
class ClientContext;
}

namespace spiffe::workload {

// A stream ended or could not be opened.
struct Lost {
  Failure failure;
  std::chrono::milliseconds retry_in{0};
  bool new_cause = true;  // the first failure, or another cause than last time: to be logged
  // As Retry::Step::fatal. The stream is retried nevertheless: the owner decides whether the process ends,
  // since another stream may work.
  bool fatal = false;
};

class Stream {
 public:
  // Opens the RPC on `context`, which already has the security header, reads until it ends, and returns how
  // it ended. It shares the ownership of everything that it uses, since it may outlive the Stream.
  using Body = std::function<StreamEnd(const Endpoint&, grpc::ClientContext&)>;

  Stream(Loop& loop, Endpoint endpoint, Body body, std::function<void(const Lost&)> on_lost);
  // Cancels and joins, which takes milliseconds. A thread that does not return from gRPC is abandoned.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void start();
  // No callback is called from now on. Does not wait and does not call gRPC: the destructor does that.
  void stop();
  // The owner accepted a message. Returns true if a failure was reported since the last one.
  bool good_message();

 private:
  struct Attempt;
  void open();
  void ended(const StreamEnd& end);
  double chance();

  Loop& loop_;
  Endpoint endpoint_;
  std::shared_ptr<const Body> body_;
  std::function<void(const Lost&)> on_lost_;
  Retry retry_;
  std::string last_cause_;  // "" while the stream works
  std::minstd_rand random_;
  Timer open_timer_;
  SocketProbe probe_;
  std::unique_ptr<Attempt> attempt_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // tasks posted for a destroyed Stream do nothing
};

}  // namespace spiffe::workload
