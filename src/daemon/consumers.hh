// Who uses the files and is told of new ones, in this order: renew_cmd, the child, the process of the PID
// file.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>

#include <signal.h>

#include "base/loop.hh"
#include "config/config.hh"
#include "health/status.hh"
#include "process/core_dumps.hh"
#include "process/pid_file.hh"
#include "process/reaper.hh"
#include "process/renew_command.hh"
#include "process/supervision.hh"

namespace spiffe::daemon {

// Loop thread only, which must be the main thread.
class Consumers {
 public:
  struct Setting {
    sigset_t original_mask;                          // that the process was started with, for children
    const process::CoreDumps* core_dumps = nullptr;  // what children get back; not owned
  };

  // `status` outlives this. `on_end` gets the exit code, once, when nothing of ours runs any more: after
  // terminate(), or because a wrapped child has ended for good. It must not destroy this.
  Consumers(Loop& loop, const config::Config& config, Setting setting, health::Status& status,
            std::function<void(int exit_code)> on_end);

  // Everything that notify_on counts is on disk, and what `kind` stands for is new. Told at once the first
  // time, later after renew_debounce and renew_splay.
  void changed(health::Kind kind);

  // Stops whatever runs. A second time: kills it. `signal`: that the helper got, 0 where none.
  void terminate(int signal);

  // Tell of every SIGCHLD.
  void child_changed();
  // A signal that a wrapped child shall have.
  void forward(int signal);

  // `config` counts from now on; a child whose command is another one now is replaced, one that is no longer
  // wanted is stopped, a new one starts at once where it may.
  void reconfigure(const config::Config& config);

 private:
  void assemble();
  void assemble_child();
  void tell();
  void on_child(process::ChildNews news);
  void child_ended(int exit_code);
  void finish();

  Loop& loop_;
  config::Config config_;
  Setting setting_;
  health::Status& status_;
  std::function<void(int)> on_end_;
  process::Generation generation_ = 0;  // told last
  std::set<health::Kind> changes_;      // since then
  std::optional<BootTime> changing_since_;
  std::chrono::nanoseconds splay_{};
  std::minstd_rand random_;
  Timer delay_;
  bool ending_ = false;
  int exit_code_ = 0;
  std::unique_ptr<process::Reaper> reaper_;  // as PID 1 or subreaper only
  std::unique_ptr<process::RenewCommand> renew_command_;
  std::unique_ptr<process::Supervision> child_;
  std::unique_ptr<process::Supervision> leaving_;  // a child that a new configuration does not want
  std::unique_ptr<process::PidFile> pid_file_;
};

}  // namespace spiffe::daemon
