// X.509 messages on their way from the stream's thread, which judges them, to the loop.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "identity/x509_context.hh"
#include "workload/x509_update.hh"

namespace spiffe::workload {

// Used by two threads: receive() by the stream's, look() by the loop's.
class X509Inbox {
 public:
  using Updates = std::vector<std::shared_ptr<X509Update>>;
  struct Callbacks {
    // A message that may not be judged yet: an update for each of the rules.
    std::function<void(const Updates&)> on_update;
    // The verdict of one of its updates: for each of them in their order, before the next message.
    std::function<void(std::size_t index, const std::shared_ptr<X509Update>&)> on_judged;
  };

  explicit X509Inbox(std::vector<X509Rules> rules) : rules_(std::move(rules)), previous_(rules_.size()) {}

  // Takes a message apart, hands it over and judges it; one that was not looked at yet is replaced. `notify`
  // is called where look() has to be called once more.
  void receive(identity::X509Material material, const std::function<void()>& notify);

  // Calls back with what is new, and not at all once `alive` is gone. A message that was handed over is
  // followed by its verdicts, whatever comes after it: else a flood of messages would never change a file.
  void look(const std::weak_ptr<char>& alive, const Callbacks& callbacks);

 private:
  struct Message {
    Updates updates;
    std::size_t judged = 0;  // the first so many of them
  };

  // Makes a change to what both threads use.
  void change(const std::function<void()>& what, const std::function<void()>& notify);

  const std::vector<X509Rules> rules_;
  // What the last good message said to each of the rules; the stream's thread alone uses it.
  std::vector<std::shared_ptr<const identity::X509Context>> previous_;
  std::size_t delivered_ = 0;  // verdicts of taken_; the loop alone uses it

  std::mutex mutex_;  // of what follows
  std::shared_ptr<Message> newest_;
  std::shared_ptr<Message> taken_;  // handed over, and not all of it is judged
  bool notified_ = false;           // and look() was not called since
};

}  // namespace spiffe::workload
