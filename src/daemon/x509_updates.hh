// From a message of the agent to a verified identity: what is accepted becomes current, what is refused is
// logged and leaves the current one alone.
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
  using OnRefused = std::function<void(const identity::Refusal&)>;

  // `progress`: at which level an accepted message is logged. `status` outlives this. `on_accepted` is
  // called with each message that has become current, `on_refused` with each that is refused. `log`: for all
  // of its lines.
  X509Updates(Loop& loop, workload::X509Rules rules, log::Level progress, health::Status& status,
              std::function<void()> on_accepted, OnRefused on_refused = nullptr, log::Logger log = {});

  // Other rules for the messages to come. What another selection gave is forgotten.
  void set_rules(workload::X509Rules rules);

  // It is judged.
  void receive(const workload::X509Update& update);
  // What another one with the same rules has accepted.
  void adopt(const X509Updates& other) { current_ = other.current_; }

  // nullptr until the first message has been accepted, and the first that a new selection gives.
  [[nodiscard]] const std::shared_ptr<const identity::X509Context>& current() const { return current_; }

 private:
  void accept(const workload::X509Update& update);
  void refuse(const identity::Refusal& refusal);
  void look_again();
  void log_findings(const identity::X509Context& context, const identity::Verdict& verdict);
  void log_bundle_changes(const identity::X509Context& context);
  void warn_of_choice(const identity::X509Context& context);

  workload::X509Rules rules_;
  log::Level progress_;
  health::Status& status_;
  std::function<void()> on_accepted_;
  OnRefused on_refused_;
  log::Logger log_;
  std::shared_ptr<const identity::X509Context> current_;
  TroubleLog troubles_;
  std::set<std::string> known_findings_;
  bool choice_warned_ = false;

  // Rule 22: a message refused only because its time has not come. The agent sends the next one after half a
  // lifetime, so this one is looked at again: at its NotBefore, when the clock is set, and every 30 s.
  workload::X509Update::Material early_;
  WallTimer valid_timer_;
  Timer again_timer_;
};

}  // namespace spiffe::daemon
