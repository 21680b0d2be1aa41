// renew_cmd: a command that is run after publications, for consumers that reload by one. Does what
// RenewSchedule decides, and logs it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/fd.hh"
#include "base/log.hh"
#include "base/loop.hh"
#include "base/result.hh"
#include "process/child.hh"
#include "process/launcher.hh"
#include "process/line_cutter.hh"
#include "process/reaper.hh"
#include "process/renew_schedule.hh"

namespace spiffe::process {

// Create one only where a command is configured. Each run is a process group of its own. It ends with its
// command: what that leaves behind lives on and may go on writing to our log, unless the run had to be ended,
// which kills all of the group. Destroying this before it has ended leaves a run alone. Loop thread, which
// must be the main thread (LaunchOptions::die_with_parent).
class RenewCommand {
 public:
  struct Options {
    LaunchOptions launch;  // argv, env, mask and core_dumps; the rest is set here
    std::string cert_dir;  // absolute
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);  // of one run; 0: none
    bool once = false;                                            // the first run ends it, well or not
    Reaper* reaper = nullptr;                                     // not owned
  };

  // `on_end` is called once, as the last thing done here, possibly from within published() or stop(): with
  // `once` with the run's exit code as a shell gives it, and never 0 where it failed; else with 0, after
  // stop(). It must not destroy this object.
  static Result<std::unique_ptr<RenewCommand>> create(Loop& loop, Options options,
                                                      std::function<void(int exit_code)> on_end);

  // These files are on disk. Runs the command now, or once more after the run that is under way.
  void published(const Changes& changes);

  // First call: no new run, and one that is under way gets TERM, KILL after 2 s, 1 s more until it is left
  // alone. Second call: KILL at once.
  void stop();

  // Tell of every SIGCHLD. Needed only where the system has no pidfd, harmless elsewhere.
  void child_changed();

  [[nodiscard]] RenewSchedule::State state() const { return machine_.state(); }
  [[nodiscard]] bool ended() const { return state() == RenewSchedule::State::ended; }
  // Of the run that is under way, else 0.
  [[nodiscard]] pid_t pid() const { return child_ ? child_->pid() : 0; }

 private:
  struct Pipe {
    Fd reader;
    Fd writer;
  };

  RenewCommand(Loop& loop, Options options, Pipe pipe, std::function<void(int)> on_end);
  void step(const RenewSchedule::Event& event);
  // Whether a run was over.
  bool reap();
  void read(std::size_t bytes);
  void finish_output();

  std::optional<RenewSchedule::Event> perform(const RenewSchedule::Start& action);
  std::optional<RenewSchedule::Event> perform(const RenewSchedule::SendTerm& action);
  std::optional<RenewSchedule::Event> perform(const RenewSchedule::Kill& action);
  std::optional<RenewSchedule::Event> perform(const RenewSchedule::ArmTimer& action);
  std::optional<RenewSchedule::Event> perform(const RenewSchedule::CancelTimer& action);
  std::optional<RenewSchedule::Event> perform(const RenewSchedule::Report& action);
  std::optional<RenewSchedule::Event> perform(const RenewSchedule::End& action);
  void signal_group(int signo) const;

  Loop& loop_;
  std::chrono::nanoseconds timeout_;
  Reaper* reaper_;
  std::function<void(int)> on_end_;
  std::vector<std::string> env_;  // but for what changes
  RenewSchedule machine_;
  // One for all runs, so that what an earlier one left behind neither fails to write nor keeps a descriptor
  // of ours.
  Pipe pipe_;
  LineCutter lines_;
  Launcher launcher_;
  std::unique_ptr<Child> child_;
  std::string outcome_;  // of the last run: "exited with code 3"
  log::Fields outcome_fields_;
  BootTime started_;
  Timer timer_;
  Watch output_;
};

}  // namespace spiffe::process
