// Who uses the files and is told of new ones, in this order: renew_cmd, the child, the process of the PID
// file.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "base/loop.hh"
#include "base/signals.hh"
#include "config/config.hh"
#include "health/status.hh"
#include "process/core_dumps.hh"
#include "process/hook.hh"
#include "process/pid_file.hh"
#include "process/reaper.hh"
#include "process/supervision.hh"

namespace spiffe::daemon {

// Loop thread only, which must be the main thread.
class Consumers {
 public:
  struct Setting {
    FoundSignals found_signals = {};                 // by this process, for its children
    const process::CoreDumps* core_dumps = nullptr;  // what children get back; not owned
  };
  using Kinds = std::set<health::Kind>;

  // `status` outlives this. `on_end` gets the exit code, once, when nothing of ours runs any more: after
  // terminate(), because a wrapped child has ended for good, or after run_once(). It must not destroy this.
  static Result<std::unique_ptr<Consumers>> create(Loop& loop, const config::Config& config, Setting setting,
                                                   health::Status& status,
                                                   std::function<void(int exit_code)> on_end);

  // All that notify_on counts is on disk, and `kinds` are new. Told at once the first time, later after
  // renew_debounce and renew_splay.
  void changed(const Kinds& kinds);

  // One-shot has written everything: runs renew_cmd where it is to be run once, and ends.
  void run_once(const Kinds& kinds);

  // Stops whatever runs. A second time: kills it. `signal`: that the helper got, 0 where none.
  void terminate(int signal);

  // Tell of every SIGCHLD.
  void child_changed();
  // A signal that a wrapped child shall have.
  void forward(int signal);
  // ^Z, in wrap mode.
  void suspend();
  // SIGTTIN and SIGTTOU, in wrap mode.
  void share_terminal();

  // `config` counts from now on. A child whose command is another one now is replaced, one that is no longer
  // wanted is stopped, a new one starts at once where the files are there.
  Result<void> reconfigure(const config::Config& config);

 private:
  Consumers(Loop& loop, const config::Config& config, Setting setting, health::Status& status,
            std::function<void(int)> on_end);
  Result<void> assemble_renew_command();
  void assemble_child();
  void assemble_pid_file();
  [[nodiscard]] process::Supervision::Options child_options();
  void tell();
  void on_child(process::ChildNews news);
  void child_ended(int exit_code);
  void finish_if_done();

  Loop& loop_;
  config::Config config_;
  Setting setting_;
  health::Status& status_;
  std::function<void(int)> on_end_;
  process::Generation generation_ = 0;  // told last
  process::Changes changes_;            // since then
  std::optional<BootTime> changing_since_;
  std::chrono::nanoseconds splay_{};
  std::minstd_rand random_;
  Timer delay_;
  bool ending_ = false;
  bool finishing_ = false;
  bool retiring_ = false;  // the child is being stopped because it is no longer wanted
  int exit_code_ = 0;
  std::unique_ptr<process::Reaper> reaper_;  // as PID 1 or subreaper only
  std::unique_ptr<process::Hook> renew_command_;
  std::vector<std::unique_ptr<process::Hook>> retired_;  // those of earlier configurations
  std::unique_ptr<process::Supervision> child_;
  std::unique_ptr<process::PidFile> pid_file_;
};

}  // namespace spiffe::daemon
