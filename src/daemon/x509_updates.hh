// Takes verified messages of the agent: an accepted one becomes the current identity, a refused one is logged
// and changes nothing.
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

  // `progress` is the log level of an accepted message. `status` outlives this. `on_accepted` is called after
  // a message became current, `on_refused` for each refused one.
  X509Updates(Loop& loop, workload::X509Rules rules, log::Level progress, health::Status& status,
              std::function<void()> on_accepted, OnRefused on_refused = nullptr, log::Logger log = {});

  // Rules for the following messages. If the selection changes, there is no current identity until the next
  // message.
  void set_rules(workload::X509Rules rules);

  // `update` has its verdict.
  void receive(const workload::X509Update& update);
  // Takes the current identity of another object with the same rules.
  void adopt(const X509Updates& other) { current_ = other.current_; }

  // Null until the first message is accepted, also after a change of the selection.
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

  // A message that was refused only because a NotBefore is in the future. The agent sends the next one only
  // after half a lifetime, so this one is verified again: at its NotBefore, when the clock is set, and every
  // 30 s.
  workload::X509Update::Material early_;
  WallTimer valid_timer_;
  Timer again_timer_;
};

}  // namespace spiffe::daemon
