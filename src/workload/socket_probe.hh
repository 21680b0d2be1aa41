// Looks whether anybody listens at the agent's address.
#pragma once

#include <functional>
#include <optional>

#include <sys/types.h>

#include "base/endpoint.hh"
#include "base/loop.hh"
#include "workload/retry.hh"

namespace spiffe::workload {

// errno of a non-blocking connect(2) to a Unix socket, 0 where somebody listens. 0 for a tcp address.
[[nodiscard]] int probe_endpoint(const Endpoint& endpoint);

// While a Unix socket is gone: tries connect(2) again and again, and tells once when somebody listens. While
// an agent's answer is waited out: tells the same when another agent has taken its place. Belongs to the
// loop's thread.
class SocketProbe {
 public:
  // `retry` says how long to wait between tries; it must outlive this object.
  SocketProbe(Loop& loop, Endpoint endpoint, const Retry& retry, std::function<void()> on_answer);

  // The first try is `wait` from now. Replaces what was planned.
  void begin(Retry::Duration wait);
  // Leaves the one who listens now alone: the socket's file says whether it has been replaced.
  void watch();
  void cancel() { timer_.cancel(); }
  [[nodiscard]] bool running() const { return timer_.armed(); }

 private:
  // A socket's file, as an agent makes a new one whenever it starts; all zero where there is none.
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
