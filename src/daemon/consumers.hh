// Who uses the files and is notified of new ones. The order of one publication: prepare_cmd or reload.cmd, to
// its end; the child; the process of the PID file; renew_cmd. reload.cmd may fail, and the others go on; it
// is not run again before the next publication.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/loop.hh"
#include "base/signals.hh"
#include "config/config.hh"
#include "health/status.hh"
#include "process/core_dumps.hh"
#include "process/hook.hh"
#include "process/pid_file.hh"
#include "process/reaper.hh"
#include "process/supervisor.hh"

namespace spiffe::daemon {

// Loop thread only, which must be the main thread.
//
// A publication that comes while prepare_cmd runs does not stop that run: it makes another run follow. A run
// that was overtaken so may have read files of two publications. Its success therefore notifies nobody, but
// never twice in a row: changes that come faster than prepare_cmd runs must not keep everybody waiting.
class Consumers {
 public:
  struct Setting {
    FoundSignals found_signals = {};                 // by this process, for its children
    const process::CoreDumps* core_dumps = nullptr;  // what children get back; not owned
    process::Reaper* reaper = nullptr;               // as PID 1 or subreaper only; not owned
    log::Logger log = {};
    std::function<void()> on_first = nullptr;  // told() has become true
  };
  using Kinds = std::set<identity::Kind>;

  // `status` outlives this. `on_end` gets the exit code, once, when nothing of ours runs any more: after
  // terminate(), because a wrapped child has ended for good, or after run_once(). It must not destroy this.
  static Result<std::unique_ptr<Consumers>> create(Loop& loop, const config::Config& config, Setting setting,
                                                   health::Program& status,
                                                   std::function<void(int exit_code)> on_end);

  // All that notify_on counts is on disk, and `kinds` are new. Its order begins at once the first time, later
  // after renew_debounce and renew_splay.
  void changed(const Kinds& kinds);

  // Whether prepare_cmd has succeeded, where there is one, and the others were notified for the first time.
  [[nodiscard]] bool told() const { return generation_ > 0; }

  // One-shot has written everything: runs prepare_cmd, then renew_cmd if it is to be run once, and ends.
  void run_once(const Kinds& kinds);

  // Stops whatever runs. A second time: kills it. `signal`: that the helper got, 0 where none.
  void terminate(int signal);

  // Tell of every SIGCHLD, before the reaper.
  void child_changed();
  // A signal that a wrapped child shall have.
  void forward(int signal);
  // ^Z, in wrap mode.
  void suspend();
  // SIGTTIN and SIGTTOU, in wrap mode.
  void share_terminal();

  // `config` counts from now on. A new prepare_cmd runs for the files that are there, and what follows waits
  // for it, as for one that has not succeeded yet. A child whose command is another one now is replaced, one
  // that is no longer wanted is stopped, a new one starts at once where the files are there.
  Result<void> reconfigure(const config::Config& config);

 private:
  using HookPtr = std::unique_ptr<process::Hook>;

  Consumers(Loop& loop, const config::Config& config, Setting setting, health::Program& status,
            std::function<void(int)> on_end);
  Result<void> assemble_hook(health::HookKind kind);
  void assemble_child();
  void assemble_pid_file();
  [[nodiscard]] process::Supervisor::Options child_options();
  [[nodiscard]] HookPtr& hook(health::HookKind kind) {
    return kind == health::HookKind::prepare ? prepare_ : renew_;
  }
  // What a hook that fails holds up, for the log.
  [[nodiscard]] std::string consequence(health::HookKind kind) const;

  // The order of one publication.
  void prepare(const process::Changes& changes);
  void tell();
  void renew_if_due();
  void renew_once();

  void on_hook(health::HookKind kind, const process::Hook::Result& result);
  void hook_ended(health::HookKind kind, int exit_code);
  void on_child(process::ChildNews news);
  void child_ended(int exit_code);
  void finish_if_done();

  // To the command of config_. Returns whether a run for files that are there was cut short by that.
  Result<bool> replace_hook(health::HookKind kind, const config::Config& before);
  Result<void> reconfigure_prepare(const config::Config& before);
  // `telling`: they are about to be notified anyway.
  Result<void> reconfigure_others(bool telling);
  void reconfigure_child();

  Loop& loop_;
  config::Config config_;
  config::Config applied_;  // an earlier one while a new one waits for prepare_cmd: that of all others
  Setting setting_;
  health::Program& status_;
  std::function<void(int)> on_end_;
  process::Generation generation_ = 0;  // told last
  process::Changes changes_;            // not begun with yet: renew_debounce
  process::Changes untold_;             // since the others were notified last
  process::Changes renew_due_;          // for renew_cmd, as soon as the child knows
  bool complete_ = false;               // the files of a first publication are there
  bool held_back_ = false;              // the last success of prepare_cmd notified nobody
  bool reconfigure_due_ = false;        // as soon as prepare_cmd has succeeded
  std::optional<BootTime> changing_since_;
  std::chrono::nanoseconds splay_{};
  std::minstd_rand random_;
  Timer delay_;
  bool ending_ = false;
  bool finishing_ = false;
  bool retiring_ = false;  // the child is being stopped because it is no longer wanted
  int exit_code_ = 0;
  HookPtr prepare_;
  HookPtr renew_;
  std::vector<HookPtr> retired_;  // those of earlier configurations
  std::unique_ptr<process::Supervisor> child_;
  std::unique_ptr<process::PidFile> pid_file_;
};

}  // namespace spiffe::daemon
