// The workload's JWT-SVIDs: each is requested by a call of its own (FetchJWTSVID), and again before it
// expires.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/chore.hh"
#include "base/endpoint.hh"
#include "base/loop.hh"
#include "identity/jwt_material.hh"
#include "workload/jwt_schedule.hh"
#include "workload/socket_probe.hh"
#include "workload/stream.hh"

namespace spiffe::workload {

struct JwtRequest {
  std::vector<std::string> audiences;  // at least one
  std::string spiffe_id;               // "" = any; is part of the request
  std::string hint;                    // "" = any; selects among the tokens of the answer
};

// Loop thread only; callbacks run there and must not destroy it. At most JwtSchedule::kMaxInFlight calls run
// at the same time, each with a deadline, so that a slow or failing one does not delay the others. One thread
// waits for their answers and only posts. A turn of the loop takes one answer or begins one call.
//
// The calls share a channel that is opened for the first of them and closed after the last. So gRPC's
// back-off does not outlive the calls that failed, a new agent behind the same socket gets a new connection,
// and nothing stays open between renewals. The streams have channels of their own.
class JwtSource {
 public:
  struct Callbacks {
    // The token that the request selects; the answer had `received` tokens. The owner verifies it, at once or
    // later, and calls accepted() or refused(); until then it is not requested again.
    std::function<void(std::size_t index, identity::JwtSvidMaterial token, std::size_t received)> on_token;
    // A call failed, or its answer has no token for us. `lost.fatal` as for a Stream.
    std::function<void(std::size_t index, const Lost& lost)> on_lost;
  };

  // A token is identified by the index of its request.
  JwtSource(Loop& loop, Endpoint endpoint, std::vector<JwtRequest> requests, Callbacks callbacks);
  // Cancels the calls and joins the thread, which takes milliseconds. A thread that does not return from gRPC
  // is abandoned.
  ~JwtSource();
  JwtSource(const JwtSource&) = delete;
  JwtSource& operator=(const JwtSource&) = delete;

  // Requests all tokens. To be called once.
  void start();
  // As Stream::stop().
  void stop();
  // The token is valid; it is requested again after half of its remaining life. Returns true if a failure was
  // reported, or a token refused, since the last valid one.
  bool accepted(std::size_t index, WallTime expires_at);
  // The token is not valid. Returns the wait before it is requested again.
  std::chrono::milliseconds refused(std::size_t index);
  // A stream reached the agent again: waits after a failure end.
  void agent_back();

  [[nodiscard]] const JwtRequest& request(std::size_t index) const { return requests_[index]; }

 private:
  struct Call;
  struct Rpc;
  struct Trouble {
    bool reported = false;
    std::string last_cause;
  };

  void pump();
  [[nodiscard]] std::optional<StreamEnd> open();
  void call(std::size_t index);
  void finished(Call* done);
  void work();
  void take_answer(Call& done);
  void report(std::size_t index, Failure failure);
  double chance();

  Loop& loop_;
  Endpoint endpoint_;
  std::vector<JwtRequest> requests_;
  Callbacks callbacks_;
  JwtSchedule schedule_;
  std::vector<Trouble> troubles_;  // by index
  std::string absence_;            // why the agent cannot be reached; reported once for all tokens
  std::minstd_rand random_;
  std::deque<Call*> finished_;       // answers to process
  std::deque<std::size_t> to_call_;  // calls to begin; the schedule counts them as in flight
  Chore working_;                    // works on both
  Timer due_timer_;
  SocketProbe probe_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // tasks posted for a destroyed source do nothing
  std::shared_ptr<Rpc> rpc_;                                // shared with its thread
};

}  // namespace spiffe::workload
