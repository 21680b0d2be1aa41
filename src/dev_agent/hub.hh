// All open streams, and the state that they should have. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/fd.hh"
#include "dev_agent/state.hh"
#include "dev_agent/stream.hh"
#include "dev_agent/ticker.hh"

namespace spiffe::dev_agent {

class Hub {
 public:
  // `send_log` may be empty; see about_to_send().
  Hub(Ticker& ticker, Fd send_log) : ticker_(ticker), send_log_(std::move(send_log)) {}

  // Opens a stream and offers it the current state. If calls are refused, the stream ends with that status.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* add(Topic topic);
  void remove(const Stream* stream);

  // Gives `state` the next seq, and each of its parts a new version if its bytes are new (the X.509-SVIDs
  // always get one), and offers it to all streams. With `every`, streams do not skip it. Returns the seq.
  std::uint64_t publish(std::shared_ptr<State> state, bool every);
  // Offers it to all open streams, but not to later ones. Without a delay.
  std::uint64_t publish_once(const std::shared_ptr<State>& state);

  // All open streams and all later calls end with `status`; nullopt: calls are served again.
  void refuse(std::optional<grpc::Status> status);
  [[nodiscard]] std::optional<grpc::Status> refusal() const;
  void end_all(const grpc::Status& status);
  void set_delay(std::chrono::milliseconds delay);
  [[nodiscard]] std::chrono::milliseconds delay() const;

  // Waits until at least `count` X.509-SVID streams are open, or none if `count` is 0. False: timed out.
  bool wait_streams(std::size_t count, std::chrono::nanoseconds timeout);
  [[nodiscard]] std::size_t open_streams(Topic topic) const;
  void stop();  // ends all waits

  // One line "<seq> <CLOCK_MONOTONIC ns> <serial>" into the send log, just before gRPC takes the message.
  void about_to_send(const State& state);
  void count_skipped(std::size_t messages) { skipped_ += messages; }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t skipped() const { return skipped_; }
  [[nodiscard]] std::uint64_t seq() const;
  [[nodiscard]] std::string serial() const;

 private:
  void set_versions(State& state);                                      // mutex_ held
  void deliver(const std::shared_ptr<const State>& state, bool every);  // mutex_ held
  [[nodiscard]] std::size_t count_open(Topic topic) const;              // mutex_ held

  Ticker& ticker_;
  const Fd send_log_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<const Stream*, std::shared_ptr<Stream>> streams_;
  std::shared_ptr<const State> current_;
  std::optional<grpc::Status> refusal_;
  std::chrono::milliseconds delay_{0};
  std::uint64_t seq_ = 0;
  bool stopping_ = false;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<std::uint64_t> skipped_ = 0;
};

}  // namespace spiffe::dev_agent
