// The agent: its state and its commands. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hh"
#include "dev_agent/connections.hh"
#include "dev_agent/fault.hh"
#include "dev_agent/hub.hh"
#include "dev_agent/issuer.hh"
#include "dev_agent/jwt_authority.hh"
#include "dev_agent/options.hh"
#include "dev_agent/snapshot.hh"
#include "dev_agent/ticker.hh"

namespace spiffe::dev_agent {

class Agent {
 public:
  static Result<std::unique_ptr<Agent>> create(Options options);
  ~Agent();
  // Ends bursts, waits and timers. Streams stay open: the server ends them.
  void stop();

  struct Pushed {
    std::uint64_t seq;
    std::string serial;
  };
  Result<Pushed> rotate();  // new SVIDs to all streams
  Result<Pushed> resend();  // the same state again
  Result<Pushed> set_federated(std::size_t count);
  Result<Pushed> set_crls(std::size_t count);
  Result<Pushed> rotate_authority();      // a new X.509 root; the bundle also contains the old one
  Result<Pushed> rotate_jwt_authority();  // the same for the JWT key
  Result<> inject(const FaultRequest& request);
  Result<Pushed> clear();  // undoes every fault; pushes a good state if the current one is spoiled
  void admit();            // undoes `deny` and the other refusals

  // `count` rotations, `rate` a second, in the background.
  Result<> burst(std::uint64_t count, double rate);
  struct Burst {
    std::uint64_t sent;  // rotations
    std::chrono::nanoseconds took;
    std::uint64_t seq;
  };
  Result<Burst> wait_burst();

  // Behaviours of the fault table.
  Result<> refuse(std::string_view fault, const grpc::Status& status);
  Result<> set_delay(std::chrono::milliseconds delay);
  Result<> drop_streams();
  Result<> disconnect();
  Result<> close_mid_message();

  struct Token {
    std::string spiffe_id;
    std::string token;
    std::string hint;
  };
  // One for each identity, or only for `spiffe_id` if it is not empty.
  Result<std::vector<Token>> jwt_svids(const std::vector<std::string>& audience,
                                       const std::string& spiffe_id);
  Result<JwtAuthority::Claims> validate(const std::string& token, const std::string& audience);

  // How many calls are answered at once.
  class AtOnce {
   public:
    void begin();
    void end() { --now_; }
    [[nodiscard]] std::uint64_t most() const { return most_; }

   private:
    std::atomic<std::uint64_t> now_, most_;
  };

  // Counts of what callers did.
  struct Counters {
    std::atomic<std::uint64_t> x509_svids, x509_bundles, jwt_svids, jwt_bundles, validations;
    std::atomic<std::uint64_t> without_header, refused;
    AtOnce jwt_svids_at_once;
  };
  [[nodiscard]] Counters& counters() { return counters_; }
  [[nodiscard]] std::string status_json();  // one line
  [[nodiscard]] Hub& hub() { return hub_; }
  [[nodiscard]] Ticker& ticker() { return ticker_; }
  [[nodiscard]] Connections& connections() { return connections_; }
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  Agent(Options options, Issuer issuer, JwtAuthority jwt, Fd send_log);
  // All with mutex_ held.
  Result<Snapshot> fresh_snapshot() const;
  Result<Pushed> push_bundles();  // the same SVIDs with the current bundles
  Result<Pushed> push(Snapshot snapshot, const Fault* spoiled_by);
  Pushed push(std::shared_ptr<State> state, bool every);
  Result<> fill_federated(std::size_t count);
  void put_bundles(Snapshot& snapshot) const;

  void rotate_later();
  void run_burst(std::uint64_t count, double rate);
  bool sleep_until(std::chrono::nanoseconds monotonic) const;  // false: stop() was called

  const Options options_;
  mutable std::mutex mutex_;
  Issuer issuer_;
  JwtAuthority jwt_;
  std::map<std::string, std::string> federated_x509_;  // trust domain ID -> DER
  std::map<std::string, std::string> federated_jwt_;   // trust domain ID -> JWKS
  std::vector<std::string> crls_;
  std::uint64_t generation_ = 0;  // grows when issuer_, jwt_, federated_* or crls_ changes
  Snapshot last_;
  std::shared_ptr<const State> last_state_;
  const Fault* spoiled_by_ = nullptr;  // the current state
  const Fault* jwt_fault_ = nullptr;   // every token
  std::string refusing_;               // name of the fault in force

  Ticker ticker_;
  Hub hub_;
  Connections connections_;
  Counters counters_{};
  std::atomic<bool> stopping_ = false;
  std::thread burst_thread_;
  std::condition_variable burst_changed_;
  bool burst_running_ = false;
  std::optional<Error> burst_error_;
  Burst burst_{};
};

// Serialises `snapshot`. The Hub sets seq and versions.
[[nodiscard]] std::shared_ptr<State> make_state(const Snapshot& snapshot);

}  // namespace spiffe::dev_agent
