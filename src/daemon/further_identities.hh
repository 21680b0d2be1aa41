// The entries of x509_svids, and how a new configuration changes them. Entries that did not change are not
// touched.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/further_identity.hh"

namespace spiffe::daemon {

// Loop thread only.
class FurtherIdentities {
 public:
  struct Callbacks {
    // As FurtherIdentity's, for any of them.
    std::function<void(bool expected)> on_written;
    std::function<void(const Error&)> on_failed;
    std::function<void()> on_refused;
    std::function<void()> on_end;
  };

  FurtherIdentities(Loop& loop, Callbacks callbacks) : loop_(loop), callbacks_(std::move(callbacks)) {}

  // To be called first. The objects that it points to outlive this.
  void set_shared(FurtherIdentity::Shared shared) { shared_ = std::move(shared); }

  // The result of every step of a new configuration that can fail. Nothing has changed yet.
  struct Prepared {
    std::vector<IdentitySettings> settings;
    std::map<std::string, std::unique_ptr<FurtherIdentity>> made;  // the new ones, by name
  };
  Result<Prepared> prepare(std::vector<IdentitySettings> settings);
  void apply(Prepared prepared, PublishQueue::Occasion occasion);
  // To be called after the first apply(): opens the directories.
  Result<void> start();

  // An update for entry `index` of the settings, and its verdict.
  void announce(std::size_t index, const workload::X509Update& update);
  void receive(std::size_t index, const workload::X509Update& update);
  void lost(bool denied);

  [[nodiscard]] bool empty() const { return order_.empty(); }
  // Whether any entry has not been written yet; awaited(): and was not refused either.
  [[nodiscard]] bool unwritten() const;
  [[nodiscard]] bool awaited() const;
  // The first one that the agent provided, for the trust domain; null if there is none.
  [[nodiscard]] const identity::X509Context* current() const;
  // One-shot mode: all are written, and their hooks have run.
  [[nodiscard]] bool done() const;
  [[nodiscard]] int exit_code() const;

  void terminate();
  void finish();
  void abandon();
  [[nodiscard]] bool consumers_ended() const;
  [[nodiscard]] bool files_ended() const;
  void child_changed();

 private:
  struct Slot {
    std::unique_ptr<FurtherIdentity> present;
    std::unique_ptr<FurtherIdentity> next;  // takes over when `present` has ended
    bool leaving = false;

    // The one that reads the agent's messages.
    [[nodiscard]] FurtherIdentity& newest() const { return next != nullptr ? *next : *present; }
  };

  Result<std::unique_ptr<FurtherIdentity>> make(const IdentitySettings& settings);
  void put(std::unique_ptr<FurtherIdentity> made, PublishQueue::Occasion occasion);
  void leave(Slot& slot);
  void begin(FurtherIdentity& identity);
  void change_over(const std::string& name);
  // Null if there is none.
  [[nodiscard]] FurtherIdentity* at(std::size_t index);
  template <class Predicate>
  [[nodiscard]] bool any(Predicate predicate) const;

  Loop& loop_;
  Callbacks callbacks_;
  FurtherIdentity::Shared shared_{};
  std::map<std::string, Slot> slots_;  // by name
  std::vector<std::string> order_;     // as in the configuration
  bool ending_ = false;
};

}  // namespace spiffe::daemon
