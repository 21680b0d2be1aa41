// The steps of one X.509 identity: a message of the agent becomes a verified identity and its files, and the
// state of the files on disk is recorded. A PublishQueue does the publishing; its callbacks lead here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hh"
#include "base/loop.hh"
#include "config/config.hh"
#include "daemon/expiry_watch.hh"
#include "daemon/publish_queue.hh"
#include "daemon/x509_updates.hh"
#include "health/status.hh"
#include "output/file_plan.hh"
#include "output/publisher.hh"

namespace spiffe::daemon {

// Loop thread only.
class IdentityPipeline {
 public:
  struct Callbacks {
    // This content may soon have to be published. `render` is called at once or not at all.
    std::function<void(const std::function<Result<Content>()>& render)> prepare;
    // The prepared content was accepted: publish it, or the result of render(). Or it was refused.
    std::function<void()> confirm;
    std::function<void()> dismiss;
    // Remove these names from the disk.
    std::function<void(std::vector<std::string> names)> withdraw;
    // New content is on disk. `expected`: all configured files are there for the first time.
    std::function<void(bool expected)> on_written;
    // A message was refused, or does not offer this identity, so do not wait for it.
    std::function<void()> on_refused = nullptr;
  };
  // What an entry of x509_svids has and the flat configuration does not.
  struct Further {
    health::Identity* status = nullptr;  // outlives this
    log::Logger log = {};
  };

  // `config`, `plan` and `status` outlive this. `config` and `plan` may be replaced in place; reconfigured()
  // must follow.
  IdentityPipeline(Loop& loop, const config::Config& config, workload::X509Rules rules,
                   const output::FilePlan& plan, health::Status& status, Further further,
                   Callbacks callbacks);

  // Whether any output is configured.
  [[nodiscard]] bool wanted() const { return !plan_.files.empty(); }
  // Resets the state: none of the configured files is on disk yet.
  void expect();
  [[nodiscard]] bool unwritten() const { return unwritten_; }
  // Whether the agent's last message was refused or did not offer this identity.
  [[nodiscard]] bool refused() const { return refused_; }

  // Events of the stream: a message that is not verified yet, its verdict, a failure.
  void announce(const workload::X509Update& update);
  void receive(const workload::X509Update& update);
  void lost(bool denied);

  // For the PublishQueue: see its callbacks of the same names.
  [[nodiscard]] std::optional<Result<Content>> render() const;
  void on_disk(output::Change change, const std::shared_ptr<const identity::X509Context>& identity);
  void on_failed();
  void on_withdrawn() const;

  // `config` and `plan` were replaced.
  void reconfigured();
  // The source now reads messages by these rules.
  void set_rules(workload::X509Rules rules) { updates_.set_rules(std::move(rules)); }
  // Takes over the state of a predecessor with the same rules.
  void adopt(const IdentityPipeline& other);
  // The queue was replaced, and the new one does not know what was withdrawn.
  void withdraw_again();
  // These files are no longer managed, so their expiry is not reported.
  void forget();

  // The identity that the agent last sent, and the one on disk; null if there is none.
  [[nodiscard]] const identity::X509Context* current() const { return updates_.current().get(); }
  [[nodiscard]] const identity::X509Context* published() const { return on_disk_.get(); }
  // "spiffe://…, valid until …", of the identity on disk.
  [[nodiscard]] std::string described() const;

 private:
  [[nodiscard]] Result<Content> encode(const std::shared_ptr<const identity::X509Context>& identity) const;
  void revoke();
  void on_accepted();
  void on_refused(const identity::Refusal& refusal);
  // Its entry in the status; null if the flat configuration has no X.509 output.
  [[nodiscard]] health::Output* output();
  [[nodiscard]] health::Lifetimes& lifetimes();
  // When the identities on disk expire, for the log and the status.
  void watch_lifetimes();

  const config::Config& config_;
  const output::FilePlan& plan_;
  health::Status& status_;
  Further further_;
  Callbacks callbacks_;
  X509Updates updates_;
  ExpiryWatch expiry_;
  Timer revoke_timer_;
  bool revoked_ = false;    // the key was removed, until the next accepted message
  bool unwritten_ = false;  // the configured files have not been on disk yet
  bool refused_ = false;    // see refused()
  bool to_adapt_ = false;   // the files were not yet checked against a new configuration
  std::shared_ptr<const identity::X509Context> on_disk_;  // the content of the files
};

}  // namespace spiffe::daemon
