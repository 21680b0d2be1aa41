// Passes X.509 messages from the stream's thread, which verifies them, to the loop.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "identity/x509_context.hh"
#include "workload/x509_update.hh"

namespace spiffe::workload {

// Used by two threads: the stream's calls receive(), the loop's calls look().
class X509Inbox {
 public:
  using Updates = std::vector<std::shared_ptr<X509Update>>;
  struct Callbacks {
    // A message that may not be verified yet: one update for each of the rules.
    std::function<void(const Updates&)> on_update;
    // The verdict of one of its updates. Called for each of them, in order, before the next message.
    std::function<void(std::size_t index, const std::shared_ptr<X509Update>&)> on_judged;
  };

  explicit X509Inbox(std::vector<X509Rules> rules) : rules_(std::move(rules)), previous_(rules_.size()) {}

  // Parses a message, passes it on and verifies it. A message that look() has not taken yet is replaced.
  // `notify` is called if look() has to be called once more.
  void receive(identity::X509Material material, const std::function<void()>& notify);

  // Calls back with new messages and verdicts, and stops when `alive` has expired. The verdicts of a message
  // that was passed on follow, even if newer messages arrive: otherwise a flood of messages would never
  // change a file.
  void look(const std::weak_ptr<char>& alive, const Callbacks& callbacks);

 private:
  struct Message {
    Updates updates;
    std::size_t judged = 0;  // number of updates that have a verdict
  };

  // Changes the state that both threads use.
  void change(const std::function<void()>& what, const std::function<void()>& notify);

  const std::vector<X509Rules> rules_;
  // The result of the last accepted message for each of the rules; used only by the stream's thread.
  std::vector<std::shared_ptr<const identity::X509Context>> previous_;
  std::size_t delivered_ = 0;  // number of verdicts of taken_ passed on; used only by the loop

  std::mutex mutex_;  // for the members below
  std::shared_ptr<Message> newest_;
  std::shared_ptr<Message> taken_;  // passed on, but not all of its updates have a verdict
  bool notified_ = false;           // look() has not been called since the last notification
};

}  // namespace spiffe::workload
