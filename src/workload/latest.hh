// A message passed from a stream's thread to the loop: only the newest counts.
#pragma once

#include <atomic>
#include <memory>

namespace spiffe::workload {

// One thread puts, one takes. A message that was not taken yet is replaced.
template <class Message>
class Latest {
 public:
  Latest() = default;
  Latest(const Latest&) = delete;
  Latest& operator=(const Latest&) = delete;
  ~Latest() { delete newest_.load(); }

  // Returns whether nothing was waiting; the caller must then notify the thread that takes.
  [[nodiscard]] bool put(std::unique_ptr<Message> message) {
    return std::unique_ptr<Message>(newest_.exchange(message.release())) == nullptr;
  }
  // Null if nothing is waiting.
  [[nodiscard]] std::unique_ptr<Message> take() {
    return std::unique_ptr<Message>(newest_.exchange(nullptr));
  }

 private:
  std::atomic<Message*> newest_ = nullptr;
};

}  // namespace spiffe::workload
