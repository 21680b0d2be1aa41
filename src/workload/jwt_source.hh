// The workload's JWT-SVIDs: asked for one by one (FetchJWTSVID) and again before they expire.
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

// Belongs to the loop's thread; its callbacks run there and must not drop it. Calls run beside each other,
// JwtSchedule::kMaxInFlight at most, each with a deadline: a slow or bad one holds up no other. One thread
// waits for their answers and only posts. A turn of the loop takes one answer or begins one call.
//
// The calls share a channel that is opened for the first of them and dropped after the last: no failure's
// back-off inside gRPC outlives the calls it failed, a new agent behind the same socket is always met by a
// new connection, and nothing stays open between renewals. The streams have channels of their own.
class JwtSource {
 public:
  struct Callbacks {
    // A token, selected among the `received` of the answer. The owner judges it, at once or later, and says
    // accepted() or refused(): until then it is not asked for again.
    std::function<void(std::size_t index, identity::JwtSvidMaterial token, std::size_t received)> on_token;
    // A call failed, or its answer holds no token for us. `fatal`: rule 7, as for a Stream.
    std::function<void(std::size_t index, const Lost& lost)> on_lost;
  };

  // Tokens are known by the index of their request.
  JwtSource(Loop& loop, Endpoint endpoint, std::vector<JwtRequest> requests, Callbacks callbacks);
  // Cancels what is in flight and joins: some milliseconds. A thread that does not come back from gRPC is
  // left behind.
  ~JwtSource();
  JwtSource(const JwtSource&) = delete;
  JwtSource& operator=(const JwtSource&) = delete;

  // Asks for all tokens. Once.
  void start();
  // As Stream::stop().
  void stop();
  // The token is good; it is asked for again at half of its remaining life. Returns true where a failure had
  // been reported, or a token refused, since the last good one.
  bool accepted(std::size_t index, WallTime expires_at);
  // The token is not good. Returns when it is asked for again.
  std::chrono::milliseconds refused(std::size_t index);
  // Somebody else has seen the agent come back: waits that follow a failure end.
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
  std::string absence_;            // why the agent cannot be reached, reported once for all tokens
  std::minstd_rand random_;
  std::deque<Call*> finished_;       // to be taken
  std::deque<std::size_t> to_call_;  // in flight for the schedule
  Chore working_;                    // on both
  Timer due_timer_;
  SocketProbe probe_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // tasks posted for a dropped source do nothing
  std::shared_ptr<Rpc> rpc_;                                // its thread has a part in it
};

}  // namespace spiffe::workload
