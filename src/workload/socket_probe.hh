// Checks whether a server listens at the agent's address.
#pragma once

#include <functional>
#include <optional>

#include <sys/types.h>

#include "base/endpoint.hh"
#include "base/loop.hh"
#include "workload/retry.hh"

namespace spiffe::workload {

// errno of a non-blocking connect(2) to a Unix socket, 0 if a server listens. Always 0 for a tcp address.
[[nodiscard]] int probe_endpoint(const Endpoint& endpoint);

// While a Unix socket is missing: repeats connect(2), and calls back once when a server listens. During the
// wait after an agent's error: calls back when another agent has replaced it. Loop thread only.
class SocketProbe {
 public:
  // `retry` defines the time between tries; it must outlive this object.
  SocketProbe(Loop& loop, Endpoint endpoint, const Retry& retry, std::function<void()> on_answer);

  // First try after `wait`. Replaces an earlier plan.
  void begin(Retry::Duration wait);
  // Does not connect to the present server: a change of the socket's file shows that it was replaced.
  void watch();
  void cancel() { timer_.cancel(); }
  [[nodiscard]] bool running() const { return timer_.armed(); }

 private:
  // Identifies a socket's file. An agent creates a new one at each start. All zero if there is none.
  struct Seen {
    dev_t device = 0;
    ino_t inode = 0;
    time_t changed = 0;
    long changed_ns = 0;
    [[nodiscard]] bool operator==(const Seen&) const = default;
  };
  [[nodiscard]] Seen look() const;
  void probe();

  Endpoint endpoint_;
  const Retry& retry_;
  std::function<void()> on_answer_;
  std::optional<Seen> watched_;
  Timer timer_;
};

}  // namespace spiffe::workload
