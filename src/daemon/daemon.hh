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
#include "config/config.hh"
#include "daemon/expiry_watch.hh"
#include "daemon/jwt_updates.hh"
#include "daemon/publication.hh"
#include "daemon/settings.hh"
#include "daemon/x509_updates.hh"
#include "health/server.hh"
#include "health/status.hh"
#include "process/core_dumps.hh"
#include "process/supervision.hh"
#include "workload/x509_source.hh"

namespace spiffe::daemon {

// Runs until SIGTERM or SIGINT, or until nothing can be done any more; with daemon_mode = false until all
// files are written once, or the time for it is over. Lives and works on one thread.
class Daemon {
 public:
  // `original_mask`: the signal mask that the process was started with, for the child. `version`: of the
  // program, for the metrics.
  static Result<std::unique_ptr<Daemon>> create(const config::Config& config, const sigset_t& original_mask,
                                                std::string_view version);
  ~Daemon();

  // Returns the exit code.
  int run();

 private:
  // What the set rendered last says, for the log once it is on disk.
  struct Rendered {
    std::string spiffe_id;
    std::string serial;
    WallTime not_before;
    WallTime not_after;
    std::string trust_domain;
    WallTime bundle_not_after;
  };

  Daemon(std::unique_ptr<Loop> loop, const config::Config& config, Names names);
  Result<void> assemble(const sigset_t& original_mask);
  Result<void> assemble_publication();
  Result<void> serve_health();
  void assemble_child(const sigset_t& original_mask);
  void assemble_sources();

  // The walk of one rotation, in order.
  void on_update(std::shared_ptr<workload::X509Update> update);
  bool approve();
  std::optional<Result<output::FileSet>> render();
  void on_disk(output::Change change, bool first);
  // The same for a token or the JWT bundle.
  void on_single(const std::string& name, output::Change change);

  // Something that `kind` stands for is on disk: the child may be due.
  void notify(health::Kind kind, bool changed);
  void written(const std::string& name);
  void on_failed(const std::string& name, const Error& error);

  void on_lost(const workload::Lost& lost);
  void on_refused(health::Kind kind, const workload::Lost& lost);
  void revoke();
  void on_child(process::ChildNews news);
  void on_signal(int signal);
  void end(int exit_code);
  void leave_if_done();
  [[nodiscard]] health::Kind kind_of(const std::string& name) const;
  // The health endpoint's words for a file.
  [[nodiscard]] health::Output& output_of(const std::string& name);
  // What people expect at info level from the daemon, and one-shot keeps to itself.
  [[nodiscard]] log::Level progress() const;

  std::unique_ptr<Loop> loop_;
  config::Config config_;
  Names names_;
  health::Status status_;
  X509Updates updates_;
  ExpiryWatch expiry_;
  Timer disk_patience_;
  Timer settled_;  // some time after the first publication: the start is over
  Timer timeout_;  // one-shot's
  Timer revoke_timer_;
  bool revoked_ = false;  // the key was removed, and stays away until the next good message
  std::optional<Rendered> rendered_;
  health::Kind notify_on_ = health::Kind::x509;  // what the child is told of
  std::set<std::string> unwritten_;              // what has not been on disk yet; "" is the X.509 set
  std::set<health::Kind> refused_;               // that the agent will not serve at all (rule 7)
  process::Generation generation_ = 0;
  int exit_code_ = 0;
  bool ending_ = false;
  bool child_done_ = true;
  bool files_done_ = false;
  bool abandoned_ = false;  // a file operation hangs, and its thread uses our members
  std::unique_ptr<Publication> publication_;
  std::optional<process::CoreDumps> core_dumps_;
  std::unique_ptr<process::Supervision> child_;  // none without cmd
  std::unique_ptr<SignalWatch> signals_;
  std::unique_ptr<health::Server> health_;             // none where not asked for
  std::unique_ptr<workload::X509Source> x509_source_;  // likewise
  std::unique_ptr<JwtUpdates> jwt_;                    // likewise
};

}  // namespace spiffe::daemon
