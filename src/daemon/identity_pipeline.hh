// One X.509 identity on its way: a message of the agent becomes a verified identity, its files, and what is
// known of the files on disk. Publishing itself is a PublishQueue's, whose callbacks lead here.
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
    // There may soon be this content to publish. `render` is called at once or not at all.
    std::function<void(const std::function<Result<Content>()>& render)> prepare;
    // It is right: publish it, or what render() gives. Or it is not.
    std::function<void()> confirm;
    std::function<void()> dismiss;
    // Remove these names from the disk.
    std::function<void(std::vector<std::string> names)> withdraw;
    // Something new is on disk. `expected`: what is configured is there for the first time.
    std::function<void(bool expected)> on_written;
    // A message was refused, or does not offer it: nobody need wait for it.
    std::function<void()> on_refused = nullptr;
  };
  // What an entry of x509_svids has of its own, and the flat configuration does not.
  struct Further {
    health::Identity* status = nullptr;  // outlives this
    log::Logger log = {};
  };

  // `config`, `plan` and `status` outlive this. The first two may be replaced in place; reconfigured()
  // follows.
  IdentityPipeline(Loop& loop, const config::Config& config, workload::X509Rules rules,
                   const output::FilePlan& plan, health::Status& status, Further further,
                   Callbacks callbacks);

  // Whether it has outputs at all.
  [[nodiscard]] bool wanted() const { return !plan_.files.empty(); }
  // Nothing of what is configured is on disk yet.
  void expect();
  [[nodiscard]] bool unwritten() const { return unwritten_; }
  // The agent's last message was of no use for it.
  [[nodiscard]] bool refused() const { return refused_; }

  // The stream's news: a message that is still being judged, its verdict, its end.
  void announce(const workload::X509Update& update);
  void receive(const workload::X509Update& update);
  void lost(bool denied);

  // For the PublishQueue: see its callbacks of the same names.
  [[nodiscard]] std::optional<Result<Content>> render() const;
  void on_disk(output::Change change, const std::shared_ptr<const identity::X509Context>& identity);
  void on_failed();
  void on_withdrawn() const;

  // `config` and `plan` are new ones.
  void reconfigured();
  // And the source reads messages by new rules.
  void set_rules(workload::X509Rules rules) { updates_.set_rules(std::move(rules)); }
  // What a predecessor with the same rules knows.
  void adopt(const IdentityPipeline& other);
  // The queue is another one, which does not know what was withdrawn.
  void withdraw_again();
  // These files are no longer managed, so their expiry is not reported.
  void forget();

  // What the agent last gave, and what is on disk; null where there is none.
  [[nodiscard]] const identity::X509Context* current() const { return updates_.current().get(); }
  [[nodiscard]] const identity::X509Context* published() const { return on_disk_.get(); }
  // "spiffe://…, valid until …", of what is on disk.
  [[nodiscard]] std::string described() const;

 private:
  [[nodiscard]] Result<Content> encode(const std::shared_ptr<const identity::X509Context>& identity) const;
  void revoke();
  void on_accepted();
  void on_refused(const identity::Refusal& refusal);
  // Its place in the status; null where the flat configuration wants no X.509.
  [[nodiscard]] health::Output* output();
  [[nodiscard]] health::Lifetimes& lifetimes();

  const config::Config& config_;
  const output::FilePlan& plan_;
  health::Status& status_;
  Further further_;
  Callbacks callbacks_;
  X509Updates updates_;
  ExpiryWatch expiry_;
  Timer revoke_timer_;
  bool revoked_ = false;    // the key was removed, and stays away until the next good message
  bool unwritten_ = false;  // what is configured has not been on disk yet
  bool refused_ = false;    // the last message was
  bool to_adapt_ = false;   // to a new configuration: not yet looked at since it came
  std::shared_ptr<const identity::X509Context> on_disk_;  // what the files say
};

}  // namespace spiffe::daemon
