// The daemon: update arrives → verified → published → child told. Everything is wired here and nowhere else.
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
#include "daemon/jwt_updates.hh"
#include "daemon/publication.hh"
#include "daemon/settings.hh"
#include "daemon/x509_updates.hh"
#include "health/server.hh"
#include "health/status.hh"
#include "process/core_dumps.hh"
#include "process/service_manager.hh"
#include "process/terminal.hh"
#include "workload/x509_source.hh"

namespace spiffe::daemon {

// Runs until SIGTERM or SIGINT, or until nothing can be done any more; with daemon_mode = false until all
// files are written once, or the time for it is over. Lives and works on one thread.
class Daemon {
  static constexpr const char* kStream = "stream";  // in troubles_

 public:
  using Load = std::function<Result<config::Loaded>()>;

  // `found_signals`: what the process was started with, for the child. `version`: of the
  // program, for the metrics. `load` reads the configuration once more.
  static Result<std::unique_ptr<Daemon>> create(const config::Config& config,
                                                const FoundSignals& found_signals, std::string_view version,
                                                Load load);
  ~Daemon();

  // Returns the exit code.
  int run();

 private:
  void run_loop();
  Daemon(std::unique_ptr<Loop> loop, const config::Config& config, Names names);
  Result<void> assemble(const FoundSignals& found_signals);
  Result<void> watch_signals();
  Result<std::unique_ptr<Publication>> assemble_publication(const config::Config& config, const Names& names);
  Result<void> serve_health(const config::HealthChecks& checks);
  Result<void> assemble_consumers(const FoundSignals& found_signals);
  void assemble_x509();
  void assemble_jwt();
  void expect_files();
  void warn_of_choices() const;

  // The walk of one rotation, in order.
  void on_update(std::shared_ptr<workload::X509Update> update);
  bool approve();
  std::optional<Result<output::FileSet>> render();
  void on_disk(output::Change change, bool first);
  // The same for a token or the JWT bundle.
  void on_single(const std::string& name, output::Change change);

  // Something new that `kind` stands for is on disk: the consumers may be due.
  void notify(health::Kind kind);
  void written(const std::string& name);
  void report_ready();
  void on_failed(const std::string& name, const Error& error);

  void on_lost(const workload::Lost& lost);
  bool end_if_fatal(health::Kind kind, const workload::Lost& lost);
  void revoke();
  void on_signal(int signal);
  void end(int exit_code, int signal = 0);

  // reload.cc
  void reload();
  Result<void> apply(config::Config next);
  Result<void> change_health(const config::HealthChecks& next);
  void change_sources(const config::Config& before);
  void forget_x509();
  void change_files(std::unique_ptr<Publication> elsewhere, bool other_identity);
  void move_in();
  void reconfigure_consumers();
  void leave_if_done();
  [[nodiscard]] health::Kind kind_of(const std::string& name) const;
  [[nodiscard]] bool is_token(const std::string& name) const;  // or the JWT bundle
  // The health endpoint's words for a file.
  [[nodiscard]] health::Output& output_of(const std::string& name);
  // What people expect at info level from the daemon, and one-shot keeps to itself.
  [[nodiscard]] log::Level progress() const;

  std::unique_ptr<Loop> loop_;
  config::Config config_;
  Load load_;
  Names names_;
  health::Status status_;
  X509Updates updates_;
  ExpiryWatch expiry_;
  TroubleLog troubles_;  // of the X.509 stream
  process::ServiceManager manager_;
  Timer disk_patience_;
  Timer settled_;  // some time after the first publication: the start is over
  Timer timeout_;  // one-shot's
  Timer revoke_timer_;
  bool revoked_ = false;  // the key was removed, and stays away until the next good message
  std::shared_ptr<const identity::X509Context> rendered_;  // last, and perhaps not yet judged
  std::shared_ptr<const identity::X509Context> on_disk_;   // what the files say
  Consumers::Kinds notify_on_;                             // which changes count
  Consumers::Kinds changes_;                               // that are on disk, but not told of before all are
  std::set<std::string> unwritten_;  // what has not been on disk yet; "" is the X.509 set
  std::set<std::string> to_adapt_;   // to a new configuration: not yet looked at since it came
  std::set<health::Kind> refused_;   // that the agent will not serve at all (rule 7)
  bool told_ = false;                // the consumers, of their first files
  int exit_code_ = 0;
  bool ending_ = false;
  bool failed_ = false;  // an exception came out of the loop
  bool consumers_done_ = false;
  bool files_done_ = false;
  bool abandoned_ = false;  // a file operation hangs, and its thread uses our members
  std::unique_ptr<Publication> publication_;
  std::unique_ptr<Publication> next_publication_;  // takes over when the present one has finished
  bool reload_again_ = false;                      // was asked for meanwhile
  bool reconfigure_due_ = false;                   // of the consumers, once the files are where they belong
  std::optional<process::CoreDumps> core_dumps_;
  std::optional<process::Terminal> terminal_;  // whose hang-up is our end, in job mode
  std::unique_ptr<Consumers> consumers_;
  std::unique_ptr<SignalWatch> signals_;
  std::unique_ptr<health::Server> health_;             // none where not asked for
  std::unique_ptr<workload::X509Source> x509_source_;  // likewise
  std::unique_ptr<JwtUpdates> jwt_;                    // likewise
};

}  // namespace spiffe::daemon
