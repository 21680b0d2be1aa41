// A further X.509 identity, an entry of x509_svids: its pipeline, its directory, and the consumers of its
// files.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.hh"
#include "daemon/consumers.hh"
#include "daemon/identity_pipeline.hh"
#include "daemon/publish_queue.hh"
#include "daemon/settings.hh"

namespace spiffe::daemon {

// Loop thread only. It does not touch any file before begin().
class FurtherIdentity {
 public:
  // What all entries share; outlives them.
  struct Shared {
    SharedDiskWorker* disk;
    health::Status* status;
    Consumers::Setting consumers;
  };
  struct Callbacks {
    // New content is on disk. `expected`: for the first time.
    std::function<void(bool expected)> on_written;
    // Writing failed; it will be tried again.
    std::function<void(const Error&)> on_failed;
    // It was refused or is not offered, so do not wait for it.
    std::function<void()> on_refused;
    // ended() became true or, in one-shot mode, done(). It must not destroy this.
    std::function<void()> on_end;
  };

  // Errors are of kind config.
  static Result<std::unique_ptr<FurtherIdentity>> create(Loop& loop, const IdentitySettings& settings,
                                                         const Shared& shared, Callbacks callbacks);

  // From now on it appears in the status.
  void expect();
  Result<void> begin(PublishQueue::Occasion occasion);

  void announce(const workload::X509Update& update);
  void receive(const workload::X509Update& update);
  // Takes over the identity of another object with the same selection until the agent sends an update.
  void adopt(const FurtherIdentity& predecessor) { pipeline_->adopt(*predecessor.pipeline_); }
  void lost(bool denied) { pipeline_->lost(denied); }

  // Whether these settings can be applied while it runs: they have the same selection and the same files.
  [[nodiscard]] bool fits(const IdentitySettings& settings) const;
  void reconfigure(const IdentitySettings& settings);

  [[nodiscard]] const IdentitySettings& settings() const { return settings_; }
  [[nodiscard]] const IdentityPipeline& pipeline() const { return *pipeline_; }
  // One-shot mode: all files are written, and the hooks have run.
  [[nodiscard]] bool done() const { return consumers_done_ && !pipeline_->unwritten(); }
  [[nodiscard]] int exit_code() const { return exit_code_; }

  // The end has two steps: the consumers are stopped (the second call kills them), then the directory is
  // released.
  void terminate();
  void finish();
  void abandon();
  [[nodiscard]] bool consumers_ended() const { return consumers_done_; }
  [[nodiscard]] bool files_ended() const { return files_done_; }
  [[nodiscard]] bool ended() const { return consumers_done_ && files_done_; }
  void child_changed();

 private:
  FurtherIdentity(IdentitySettings settings, Shared shared, Callbacks callbacks)
      : settings_(std::move(settings)),
        shared_(std::move(shared)),
        callbacks_(std::move(callbacks)),
        log_({{"dir", settings_.name}}) {}
  Result<void> assemble(Loop& loop);
  Result<void> assemble_publish_queue(Loop& loop);
  void written(bool expected);

  IdentitySettings settings_;
  Shared shared_;
  Callbacks callbacks_;
  log::Logger log_;
  Plan plan_;
  std::shared_ptr<health::Identity> status_ = std::make_shared<health::Identity>();
  bool begun_ = false;
  bool leaving_ = false;
  bool consumers_done_ = false;
  bool files_done_ = false;
  int exit_code_ = 0;
  Loop* loop_ = nullptr;
  std::unique_ptr<IdentityPipeline> pipeline_;
  std::unique_ptr<PublishQueue> publish_queue_;
  std::unique_ptr<Consumers> consumers_;  // set by begin()
};

}  // namespace spiffe::daemon
