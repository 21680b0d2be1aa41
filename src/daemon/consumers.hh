// The programs that use the files and are notified of new ones. The order of one publication: prepare_cmd or
// reload.cmd, until it ends; the child; the process of the PID file; renew_cmd. If reload.cmd fails, the
// others are notified nevertheless; it is not run again before the next publication.
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
// A publication during a run of prepare_cmd does not stop that run, but makes another run follow. The run
// that was overtaken may have read files of two publications, so its success notifies no consumer. This
// happens at most once in a row: changes that arrive faster than prepare_cmd runs must not delay the
// notification indefinitely.
class Consumers {
 public:
  struct Setting {
    FoundSignals found_signals = {};                 // of this process, for its children
    const process::CoreDumps* core_dumps = nullptr;  // what children get back; not owned
    process::Reaper* reaper = nullptr;               // only as PID 1 or subreaper; not owned
    log::Logger log = {};
    std::function<void()> on_first = nullptr;  // notified() became true
  };
  using Kinds = std::set<identity::Kind>;

  // `status` outlives this. `on_end` gets the exit code, once, when none of our processes runs any more:
  // after terminate(), after a wrapped child has ended for good, or after run_once(). It must not destroy
  // this.
  static Result<std::unique_ptr<Consumers>> create(Loop& loop, const config::Config& config, Setting setting,
                                                   health::Program& status,
                                                   std::function<void(int exit_code)> on_end);

  // All files of the kinds in notify_on are on disk, and `kinds` are new. The first time, the notifications
  // begin at once; later, after renew_debounce and renew_splay.
  void changed(const Kinds& kinds);

  // Whether the consumers were notified for the first time, which follows the success of prepare_cmd if it is
  // configured.
  [[nodiscard]] bool notified() const { return generation_ > 0; }

  // One-shot mode has written all files: runs prepare_cmd, then renew_cmd if it is to run once, and ends.
  void run_once(const Kinds& kinds);

  // Stops all processes; the second call kills them. `signal`: the one that the helper received, 0 if none.
  void terminate(int signal);

  // To be called for each SIGCHLD, before the reaper.
  void child_changed();
  // Forwards a signal to a wrapped child.
  void forward(int signal);
  // Handles SIGTSTP (^Z) in wrap mode.
  void suspend();
  // Handles SIGTTIN and SIGTTOU in wrap mode.
  void share_terminal();

  // Applies `config`. A new prepare_cmd runs for the existing files, and the later steps wait for its
  // success. A child whose command has changed is replaced, one that is no longer configured is stopped, and
  // a new one starts at once if the files exist.
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
  // The consequence of a failed hook, for the log.
  [[nodiscard]] std::string consequence(health::HookKind kind) const;

  // The steps of one publication, in order.
  void prepare(const process::Changes& changes);
  void notify();
  void renew_if_due();
  void renew_once();

  void on_hook(health::HookKind kind, const process::Hook::Result& result);
  void hook_ended(health::HookKind kind, int exit_code);
  void on_child(process::ChildNews news);
  void child_ended(int exit_code);
  void finish_if_done();

  // Replaces the hook by the one of config_. Returns whether this interrupted a run for existing files.
  Result<bool> replace_hook(health::HookKind kind, const config::Config& before);
  Result<void> reconfigure_prepare(const config::Config& before);
  // `notifying`: the consumers are about to be notified anyway.
  Result<void> reconfigure_others(bool notifying);
  void reconfigure_child();

  Loop& loop_;
  config::Config config_;
  config::Config applied_;  // of all but prepare_cmd: the previous one while a new one waits for prepare_cmd
  Setting setting_;
  health::Program& status_;
  std::function<void(int)> on_end_;
  process::Generation generation_ = 0;  // of the last notification
  process::Changes changes_;            // waiting for renew_debounce
  process::Changes unnotified_;         // since the last notification
  process::Changes renew_due_;          // for renew_cmd, as soon as the child is notified
  bool complete_ = false;               // all files of a first publication are on disk
  bool held_back_ = false;              // the last success of prepare_cmd was overtaken: no notification
  bool reconfigure_due_ = false;        // as soon as prepare_cmd has succeeded
  std::optional<BootTime> changing_since_;
  std::chrono::nanoseconds splay_{};
  std::minstd_rand random_;
  Timer delay_;
  bool ending_ = false;
  bool finishing_ = false;
  bool retiring_ = false;  // the child is being stopped because it is no longer configured
  int exit_code_ = 0;
  HookPtr prepare_;
  HookPtr renew_;
  std::vector<HookPtr> retired_;  // of earlier configurations
  std::unique_ptr<process::Supervisor> child_;
  std::unique_ptr<process::PidFile> pid_file_;
};

}  // namespace spiffe::daemon
