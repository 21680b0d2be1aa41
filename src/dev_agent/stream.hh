// One open stream of one client. Sends each state that it is offered; to a slow client only the newest.
//
// A reactor of gRPC's callback interface: no thread waits for it, and a message is sent on the thread that
// publishes it. The Hub owns it until OnDone.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include <grpcpp/support/server_callback.h>

#include "dev_agent/state.hh"

namespace spiffe::dev_agent {

class Hub;

class Stream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  Stream(Hub& hub, Topic topic) : hub_(hub), topic_(topic) {}

  [[nodiscard]] Topic topic() const { return topic_; }
  [[nodiscard]] bool open() const;

  // Sends `state` if it is newer than the last one offered: now, or after the write in progress. With `every`
  // it is queued after others (a burst); otherwise it replaces them.
  void offer(std::shared_ptr<const State> state, bool every);
  // Ends the stream after the write in progress. Further calls have no effect.
  void end(const grpc::Status& status);

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void write(std::shared_ptr<const State> state);  // mutex_ held

  Hub& hub_;
  const Topic topic_;
  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<const State>> waiting_;
  std::shared_ptr<const State> current_;  // being written
  std::uint64_t offered_version_ = 0;
  std::optional<grpc::Status> final_;
};

}  // namespace spiffe::dev_agent
