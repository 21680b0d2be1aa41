// When to request each JWT-SVID. Pure: time and random numbers are arguments.
//
//   due ──take_due──▶ in flight ──answered──▶ judged ──accepted──▶ due, after half of the remaining life
//    ▲                    │                      └────refused────▶ due, after 1, 2, 4 … 60 s
//    ├──────failed────────┤
//    └──agent_back── absent ◀── failed, no server listens at the socket
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

  // `entries` tokens, identified by index; all are due at once.
  explicit JwtSchedule(std::size_t entries) : entries_(entries) {}

  // The tokens to request now, those that are due longest first. No more than kMaxInFlight are in flight, and
  // none is requested while the agent's socket is gone.
  [[nodiscard]] std::vector<std::size_t> take_due(BootTime now);
  // When take_due() will have more; none if only an answer can change that.
  [[nodiscard]] std::optional<BootTime> next() const;

  // The agent answered with tokens, so the call is no longer in flight, and InvalidArgument or Unimplemented
  // is no longer fatal.
  void answered(std::size_t entry);
  // The token is valid for `remaining` from `now`. It is requested again after half of that, since SPIRE
  // returns the same token until about then, but at least 1 s later.
  void accepted(std::size_t entry, BootTime now, std::chrono::nanoseconds remaining);
  // The token was refused. accepted() and refused() do nothing for a token that does not wait for a verdict.
  Retry::Step refused(std::size_t entry, BootTime now, double random);
  // The call failed. `unix_socket`: the address can be probed. `random` in [0, 1).
  Retry::Step failed(std::size_t entry, FailureKind kind, bool unix_socket, BootTime now, double random);

  // Whether calls wait for the agent's socket; the owner must probe it then.
  [[nodiscard]] bool absent() const { return absent_; }
  // A server listens again: every wait after a failure ends, and every late renewal is due, each 0 to 500 ms
  // from now. `random` is called for each of them. Other renewals do not change.
  void agent_back(BootTime now, const std::function<double()>& random);

  // For SocketProbe: the time between tries.
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
  Retry agent_;  // for failures of the agent, not of one token
};

}  // namespace spiffe::workload
