// From a message of the agent to a verified identity: what is accepted becomes current, what is refused is
// logged and leaves the current one alone. In between a message is a candidate, whose files may be prepared.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/clock.hh"
#include "base/log.hh"
#include "base/loop.hh"
#include "base/trouble_log.hh"
#include "health/status.hh"
#include "workload/x509_update.hh"

namespace spiffe::daemon {

// Loop thread only.
class X509Updates {
 public:
  // `progress`: at which level an accepted message is logged. `status` outlives this. `on_candidate` is
  // called for every message that could be read.
  X509Updates(Loop& loop, workload::X509Rules rules, log::Level progress, health::Status& status,
              std::function<void()> on_candidate);

  // Other rules for the messages to come. What another selection gave is forgotten.
  void set_rules(workload::X509Rules rules);

  void receive(std::shared_ptr<workload::X509Update> update);

  // The candidate, or else the current one; nullptr where there is neither.
  [[nodiscard]] std::shared_ptr<const identity::X509Context> newest() const;
  // Awaits the verdict on the candidate: it becomes current, or is dropped and false returned. True where
  // there is none.
  bool settle();
  // nullptr until the first message has been accepted, and the first that a new selection gives.
  [[nodiscard]] const identity::X509Context* current() const { return current_.get(); }

 private:
  void accept(const workload::X509Update& update);
  void refuse(const identity::Refusal& refusal);
  void look_again();
  void log_findings(const identity::X509Context& context, const identity::Verdict& verdict);
  void warn_of_choice(const identity::X509Context& context);

  workload::X509Rules rules_;
  log::Level progress_;
  health::Status& status_;
  std::function<void()> on_candidate_;
  std::shared_ptr<workload::X509Update> candidate_;
  std::shared_ptr<const identity::X509Context> current_;
  TroubleLog troubles_;
  std::set<std::string> known_findings_;
  bool choice_warned_ = false;

  // Rule 22: a message refused only because its time has not come. The agent sends the next one after half a
  // lifetime, so this one is looked at again: at its NotBefore, when the clock is set, and every 30 s.
  std::optional<identity::X509Material> early_;
  WallTimer valid_timer_;
  Timer again_timer_;
};

}  // namespace spiffe::daemon
