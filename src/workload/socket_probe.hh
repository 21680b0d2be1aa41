// Looks whether anybody listens at the agent's address.
#pragma once

#include <functional>

#include "base/endpoint.hh"
#include "base/loop.hh"
#include "workload/retry.hh"

namespace spiffe::workload {

// errno of a non-blocking connect(2) to a Unix socket, 0 where somebody listens. 0 for a tcp address.
[[nodiscard]] int probe_endpoint(const Endpoint& endpoint);

// While a Unix socket is gone: tries connect(2) again and again, and tells once when somebody listens.
// Belongs to the loop's thread.
class SocketProbe {
 public:
  // `retry` says how long to wait between tries; it must outlive this object.
  SocketProbe(Loop& loop, Endpoint endpoint, const Retry& retry, std::function<void()> on_answer);

  // The first try is `wait` from now. Replaces what was planned.
  void begin(Retry::Duration wait) { timer_.after(wait); }
  [[nodiscard]] bool running() const { return timer_.armed(); }

 private:
  void probe();

  Endpoint endpoint_;
  const Retry& retry_;
  std::function<void()> on_answer_;
  Timer timer_;
};

}  // namespace spiffe::workload
