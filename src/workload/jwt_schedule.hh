// When each JWT-SVID is asked for. Pure: time and chance come in as arguments.
//
//   due ──take_due──▶ in flight ──answered──▶ judged ──accepted──▶ due, at half of what remains
//    ▲                    │                      └────refused────▶ due, after 1, 2, 4 … 60 s
//    ├──────failed────────┤
//    └──agent_back── absent ◀── failed, nobody listens at the socket
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.hh"
#include "workload/failure.hh"
#include "workload/retry.hh"

namespace spiffe::workload {

class JwtSchedule {
 public:
  static constexpr std::size_t kMaxInFlight = 16;

  // `entries` tokens, all due at once, known by their index.
  explicit JwtSchedule(std::size_t entries) : entries_(entries) {}

  // What to ask for now, the longest due first: never so much that more than kMaxInFlight are in flight, and
  // nothing while the agent's socket is gone.
  [[nodiscard]] std::vector<std::size_t> take_due(BootTime now);
  // When take_due() will have more; none where only an answer can change that.
  [[nodiscard]] std::optional<BootTime> next() const;

  // The agent answered with tokens: good in the sense of rule 7, and not in flight any more.
  void answered(std::size_t entry);
  // The token is good for `remaining` from `now`: asked for again at half of that, never under 1 s.
  void accepted(std::size_t entry, BootTime now, std::chrono::nanoseconds remaining);
  // The token was refused. Both do nothing for an entry whose token nobody has to judge.
  Retry::Step refused(std::size_t entry, BootTime now, double random);
  // The call failed. `unix_socket`: the address can be probed. `random` in [0, 1).
  Retry::Step failed(std::size_t entry, FailureKind kind, bool unix_socket, BootTime now, double random);

  // Whether calls wait for the agent's socket; then somebody must probe it.
  [[nodiscard]] bool absent() const { return absent_; }
  // Somebody listens again: every wait that follows a failure ends, and every renewal that is late is due, 0
  // to 500 ms from now each. `random` is called for each of them. Other renewals stay as they are.
  void agent_back(BootTime now, const std::function<double()>& random);

  // For SocketProbe: how long between tries.
  [[nodiscard]] const Retry& retry() const { return agent_; }

 private:
  enum class Phase { due, in_flight, judged };
  struct Entry {
    Phase phase = Phase::due;
    BootTime due{};  // while phase is due
    bool after_failure = false;
    int failures = 0;  // in a row
  };

  Retry::Step back_off(Entry& entry, BootTime now, double random);
  void wait(Entry& entry, BootTime until, bool after_failure);

  std::vector<Entry> entries_;
  std::size_t in_flight_ = 0;
  bool absent_ = false;
  Retry agent_;  // what concerns the agent, not one token
};

}  // namespace spiffe::workload
