// The daemon: update arrives → verified → published → child told. Everything is wired here and nowhere else.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <signal.h>

#include "base/loop.hh"
#include "base/signals.hh"
#include "config/config.hh"
#include "daemon/expiry_watch.hh"
#include "daemon/publication.hh"
#include "daemon/x509_updates.hh"
#include "output/render.hh"
#include "process/core_dumps.hh"
#include "process/supervision.hh"
#include "workload/x509_source.hh"

namespace spiffe::daemon {

// Runs until SIGTERM or SIGINT, or until nothing can be done any more. Lives and works on one thread.
class Daemon {
 public:
  // `original_mask`: the signal mask that the process was started with, for the child.
  static Result<std::unique_ptr<Daemon>> create(const config::Config& config, const sigset_t& original_mask);
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
  };

  Daemon(std::unique_ptr<Loop> loop, const config::Config& config, output::X509Outputs outputs);
  Result<void> assemble(const sigset_t& original_mask);
  [[nodiscard]] process::Supervision::Options child_options(const sigset_t& original_mask) const;

  // The walk of one rotation, in order.
  void on_update(identity::X509Material material) { updates_.receive(std::move(material)); }
  std::optional<Result<output::FileSet>> render();
  void on_disk(output::Change change, bool first);

  void on_lost(const workload::Lost& lost);
  void on_signal(int signal);
  void end(int exit_code);
  void leave_if_done();

  std::unique_ptr<Loop> loop_;
  config::Config config_;
  output::X509Outputs outputs_;
  X509Updates updates_;
  ExpiryWatch expiry_;
  Timer disk_patience_;
  Timer settled_;  // some time after the first publication: the start is over
  std::optional<Rendered> rendered_;
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
  std::unique_ptr<workload::X509Source> source_;
};

}  // namespace spiffe::daemon
