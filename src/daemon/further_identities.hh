// The entries of x509_svids, and what a new configuration makes of them: one that is as it was is not
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
    // As FurtherIdentity's, of any of them.
    std::function<void(bool expected)> on_written;
    std::function<void(const Error&)> on_failed;
    std::function<void()> on_refused;
    std::function<void()> on_end;
  };

  FurtherIdentities(Loop& loop, Callbacks callbacks) : loop_(loop), callbacks_(std::move(callbacks)) {}

  // Before anything else. What it points to outlives this.
  void set_shared(FurtherIdentity::Shared shared) { shared_ = std::move(shared); }

  // A configuration to come: what can fail is done. Nothing has changed yet.
  struct Prepared {
    std::vector<IdentitySettings> settings;
    std::map<std::string, std::unique_ptr<FurtherIdentity>> made;  // of those that are new, by name
  };
  Result<Prepared> prepare(std::vector<IdentitySettings> settings);
  void apply(Prepared prepared, PublishQueue::Occasion occasion);
  // After the first apply(): opens the directories.
  Result<void> start();

  // An update of the `index`th of the settings, and its verdict.
  void announce(std::size_t index, const workload::X509Update& update);
  void receive(std::size_t index, const workload::X509Update& update);
  void lost(bool denied);

  [[nodiscard]] bool empty() const { return order_.empty(); }
  // Whether any has not been written yet; and whether one of them should be at any moment.
  [[nodiscard]] bool unwritten() const;
  [[nodiscard]] bool awaited() const;
  // The first that the agent gave, for the trust domain; null where there is none.
  [[nodiscard]] const identity::X509Context* current() const;
  // One-shot: all are written, and their hooks have run.
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
    std::unique_ptr<FurtherIdentity> next;  // takes over when the present one has left
    bool leaving = false;
  };

  Result<std::unique_ptr<FurtherIdentity>> make(const IdentitySettings& settings);
  void put(std::unique_ptr<FurtherIdentity> made, PublishQueue::Occasion occasion);
  void leave(Slot& slot);
  void begin(FurtherIdentity& identity);
  void change_over(const std::string& name);
  // Null where there is none.
  [[nodiscard]] FurtherIdentity* at(std::size_t index);
  template <class Predicate>
  [[nodiscard]] bool any(Predicate predicate) const;

  Loop& loop_;
  Callbacks callbacks_;
  FurtherIdentity::Shared shared_{};
  std::map<std::string, Slot> slots_;  // by name
  std::vector<std::string> order_;     // of the configuration
  bool ending_ = false;
};

}  // namespace spiffe::daemon
