// One long-lived stream of the Workload API: opened, read by a thread of its own, opened again when lost.
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

// A stream was lost, or could not be opened.
struct Lost {
  Failure failure;
  std::chrono::milliseconds retry_in{0};
  bool new_cause = true;  // the first failure, or another cause than the last time: worth a log line
  // Rule 7: refused before the first good message, or no room for the first connection. It is tried again all
  // the same: the owner decides whether the process ends, since another stream may be well.
  bool fatal = false;
};

class Stream {
 public:
  // Opens the RPC on `context` (header already added), reads to its end, says how it ended.
  // Owns, together with others, whatever it uses.
  using Body = std::function<StreamEnd(const Endpoint&, grpc::ClientContext&)>;

  Stream(Loop& loop, Endpoint endpoint, Body body, std::function<void(const Lost&)> on_lost);
  // Cancels and joins: some milliseconds. A thread that does not come back from gRPC is left behind.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void start();
  // No callback is called any more. Nothing is awaited, nor asked of gRPC: that is left to the destructor.
  void stop();
  // The owner took a good message. Returns true where a failure had been reported since the last one.
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
  std::string last_cause_;  // "" while the stream is well
  std::minstd_rand random_;
  Timer open_timer_;
  SocketProbe probe_;
  std::unique_ptr<Attempt> attempt_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // tasks posted for a dropped Stream do nothing
};

}  // namespace spiffe::workload
