// The daemon: an update arrives, is verified and published, and the child is notified. All parts are wired
// here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <signal.h>

#include "base/loop.hh"
#include "base/signals.hh"
#include "base/trouble_log.hh"
#include "config/load.hh"
#include "daemon/consumers.hh"
#include "daemon/expiry_watch.hh"
#include "daemon/further_identities.hh"
#include "daemon/identity_pipeline.hh"
#include "daemon/jwt_updates.hh"
#include "daemon/publish_queue.hh"
#include "daemon/settings.hh"
#include "health/server.hh"
#include "health/status.hh"
#include "process/core_dumps.hh"
#include "process/reaper.hh"
#include "process/service_manager.hh"
#include "process/terminal.hh"
#include "workload/x509_source.hh"

namespace spiffe::daemon {

// Runs until SIGTERM or SIGINT, or a fatal error. With daemon_mode = false, until all files are written once,
// or the timeout. Loop thread only.
class Daemon {
  static constexpr const char* kStream = "stream";  // its name in troubles_

 public:
  using Load = std::function<Result<config::Loaded>()>;

  // `found_signals`: the signal mask and ignored signals that the process was started with, for the child.
  // `version`: the program's, for the metrics. `load` reads the configuration again.
  static Result<std::unique_ptr<Daemon>> create(const config::Config& config,
                                                const FoundSignals& found_signals, std::string_view version,
                                                Load load);
  ~Daemon();

  // Returns the exit code.
  int run();

 private:
  void run_loop();
  Daemon(std::unique_ptr<Loop> loop, const config::Config& config, Plan plan);
  Result<void> assemble(const FoundSignals& found_signals);
  Result<void> watch_signals();
  Result<std::unique_ptr<PublishQueue>> assemble_publish_queue(const config::Config& config,
                                                               const Plan& plan);
  std::optional<Result<Content>> render(const Group& group);
  Result<void> serve_health(const config::HealthChecks& checks);
  Result<void> assemble_consumers(const FoundSignals& found_signals);
  FurtherIdentities::Callbacks further_callbacks();
  Result<void> assemble_further(const FoundSignals& found_signals);
  void assemble_x509();
  void assemble_jwt();
  void expect_files();
  void warn_of_federation() const;
  void warn_of_password() const;
  [[nodiscard]] bool has_default_password() const;

  // The steps of one rotation, in order.
  void on_update(const workload::X509Source::Updates& updates);
  void on_judged(std::size_t index, const workload::X509Update& update);
  void on_x509_written(bool expected);
  // The same for an entry of x509_svids.
  void on_further_written(bool expected);
  void on_further_end();
  // The same for a token, the JWT bundle or the JWKS.
  void on_single(const std::string& name, output::Change change);

  // New content of `kind` is on disk. Notifies the consumers if all files that they wait for are there.
  void notify(identity::Kind kind);
  void notify_if_complete();
  [[nodiscard]] bool awaits(identity::Kind kind) const;
  void written(const std::string& name);
  void leave_if_written();
  [[nodiscard]] bool all_written() const {
    return unwritten_.empty() && !x509_.unwritten() && !further_.unwritten();
  }
  void consumers_ended(int exit_code);
  void report_ready();
  [[nodiscard]] const identity::X509Context* current_identity() const;
  void on_failed(const Group& group, const Error& error);

  void on_lost(const workload::Lost& lost);
  bool end_if_fatal(identity::Kind kind, const workload::Lost& lost);
  void on_signal(int signal);
  void end(int exit_code, int signal = 0);

  // reload.cc
  void reload();
  Result<void> apply(config::Config next);
  Result<void> change_health(const config::HealthChecks& next);
  void change_sources(const config::Config& before);
  void change_files(std::unique_ptr<PublishQueue> elsewhere, bool other_identity);
  void move_in();
  void reconfigure_consumers();
  void leave_if_done();
  [[nodiscard]] identity::Kind kind_of(const std::string& name) const;
  // The state of a file, for the health endpoint.
  [[nodiscard]] health::Output& output_of(const std::string& name);

  std::unique_ptr<Loop> loop_;
  config::Config config_;
  Load load_;
  Plan plan_;
  health::Status status_;
  SharedDiskWorker disk_;
  IdentityPipeline x509_;
  ExpiryWatch expiry_;   // for tokens
  TroubleLog troubles_;  // for the X.509 stream
  process::ServiceManager manager_;
  Timer disk_patience_;
  Timer settled_;                     // the start is complete, some time after the first publication
  Timer timeout_;                     // of one-shot mode
  Consumers::Kinds notify_on_;        // changes of these kinds count as a rotation
  Consumers::Kinds changes_;          // on disk; the consumers are notified when all awaited files are
  std::set<std::string> unwritten_;   // single files that have not been on disk yet
  std::set<std::string> to_adapt_;    // single files not yet checked against a new configuration
  std::set<identity::Kind> refused_;  // InvalidArgument or Unimplemented before any good message
  bool notified_ = false;             // the consumers were notified of their first files
  int exit_code_ = 0;
  bool ending_ = false;
  bool failed_ = false;  // the loop threw an exception
  bool consumers_done_ = false;
  bool ending_others_ = false;  // processes that only the reaper knows
  bool others_ended_ = false;
  bool files_done_ = false;
  bool abandoned_ = false;  // a file operation hangs, and its thread uses our members
  std::unique_ptr<PublishQueue> publish_queue_;
  std::unique_ptr<PublishQueue> next_queue_;  // takes over when the current one has finished
  bool reload_again_ = false;                 // another reload was requested in the meantime
  bool reconfigure_due_ = false;              // for the consumers, once the files are in place
  std::optional<process::CoreDumps> core_dumps_;
  std::unique_ptr<process::Reaper> reaper_;    // as PID 1 or subreaper only
  std::optional<process::Terminal> terminal_;  // in job mode, its hang-up ends us
  std::unique_ptr<Consumers> consumers_;
  FurtherIdentities further_;
  std::unique_ptr<SignalWatch> signals_;
  std::unique_ptr<health::Server> health_;             // null if not configured
  std::unique_ptr<workload::X509Source> x509_source_;  // likewise
  std::unique_ptr<JwtUpdates> jwt_;                    // likewise
};

}  // namespace spiffe::daemon
