// From a message of the agent to a verified identity: what is accepted becomes current, what is refused is
// logged and leaves the current one alone.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "base/clock.hh"
#include "base/loop.hh"
#include "identity/x509_context.hh"

namespace spiffe::daemon {

// Loop thread only.
class X509Updates {
 public:
  // `on_accepted` is called for every accepted message, with current() set to it.
  X509Updates(Loop& loop, identity::X509Selection selection, bool verify, std::function<void()> on_accepted);

  void receive(identity::X509Material material);

  // nullptr until the first message has been accepted.
  [[nodiscard]] const identity::X509Context* current() const { return current_ ? &*current_ : nullptr; }

 private:
  void consider(identity::X509Material material);
  void accept(identity::X509Context context);
  void refuse(const identity::Refusal& refusal);
  void look_again();
  void log_findings(const identity::X509Context& context);
  void warn_of_choice(const identity::X509Context& context);

  identity::X509Selection selection_;
  bool verify_;
  std::function<void()> on_accepted_;
  std::optional<identity::X509Context> current_;
  std::string last_refusal_;  // the same cause again is only a debug line
  std::set<std::string> known_findings_;
  bool choice_warned_ = false;

  // Rule 22: a message refused only because its time has not come. The agent sends the next one after half a
  // lifetime, so this one is looked at again: at its NotBefore, when the clock is set, and every 30 s.
  std::optional<identity::X509Material> early_;
  WallTimer valid_timer_;
  Timer again_timer_;
};

}  // namespace spiffe::daemon
