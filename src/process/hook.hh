// A command that is run for publications: prepare_cmd, before anybody is told, and renew_cmd, after. Does
// what HookSchedule decides, and logs it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hh"
#include "base/fd.hh"
#include "base/log.hh"
#include "base/loop.hh"
#include "base/result.hh"
#include "base/trouble_log.hh"
#include "process/child.hh"
#include "process/hook_schedule.hh"
#include "process/launcher.hh"
#include "process/line_cutter.hh"
#include "process/reaper.hh"

namespace spiffe::process {

// Create one only where a command is configured. Each run is a process group of its own. It ends with its
// command: what that leaves behind lives on and may go on writing to our log, unless the run had to be ended,
// which kills all of the group. Destroying this before it has ended leaves a run alone. Loop thread, which
// must be the main thread (LaunchOptions::die_with_parent).
class Hook {
 public:
  // What one run came to.
  struct Result {
    bool succeeded = false;
    bool overtaken = false;  // something newer was published while it ran: the next run begins at once
    std::string words = {};  // "exited with code 3"
  };

  struct Options {
    std::string name;      // of the key that configures it, for the log and its events
    LaunchOptions launch;  // argv, env, mask and core_dumps; the rest is set here
    std::string cert_dir;  // absolute
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);    // of one run; 0: none
    std::chrono::nanoseconds term_grace = std::chrono::seconds(2);  // from SIGTERM to SIGKILL
    bool once = false;                                              // the first run ends it, well or not
    bool retry = true;                                              // a run that failed, after a back-off
    std::string failure_text = {};  // the log's message for a failure; "": made of name and outcome
    std::string timeout_key = {};   // the key that sets timeout; for a hint
    Reaper* reaper = nullptr;       // not owned
    log::Logger log = {};
    // Each run that was not cut short by stop(), after it is logged. Must not call back.
    std::function<void(const Result&)> on_result = nullptr;
    // What a failure means, for the log: "the program is not started until it succeeds". May be empty.
    std::function<std::string()> consequence = nullptr;
  };

  // `on_end` is called once, as the last thing done here, possibly from within published() or stop(): with
  // `once` with the run's exit code as a shell gives it, and never 0 where it failed; else with 0, after
  // stop(). It must not destroy this object.
  static spiffe::Result<std::unique_ptr<Hook>> create(Loop& loop, Options options,
                                                      std::function<void(int exit_code)> on_end);

  // These files are on disk. Runs the command now, or once more after the run that is under way.
  void published(const Changes& changes);

  // First call: no new run, and one that is under way gets TERM, KILL after term_grace, 1 s more until it is
  // left alone. Second call: KILL at once. `why` is for the log.
  void stop(std::string_view why = "the helper ends");

  // Tell of every SIGCHLD. Needed only where the system has no pidfd, harmless elsewhere.
  void child_changed();

  [[nodiscard]] HookSchedule::State state() const { return machine_.state(); }
  [[nodiscard]] bool ended() const { return state() == HookSchedule::State::ended; }
  // Of the run that is under way, else 0.
  [[nodiscard]] pid_t pid() const { return child_ ? child_->pid() : 0; }

 private:
  struct Pipe {
    Fd reader;
    Fd writer;
  };

  Hook(Loop& loop, Options options, Pipe pipe, std::function<void(int)> on_end);
  void step(const HookSchedule::Event& event);
  // Whether a run was over.
  bool reap();
  void read(std::size_t bytes);
  void finish_output();

  std::optional<HookSchedule::Event> perform(const HookSchedule::Start& action);
  std::optional<HookSchedule::Event> perform(const HookSchedule::SendTerm& action);
  std::optional<HookSchedule::Event> perform(const HookSchedule::Kill& action);
  std::optional<HookSchedule::Event> perform(const HookSchedule::ArmTimer& action);
  std::optional<HookSchedule::Event> perform(const HookSchedule::CancelTimer& action);
  std::optional<HookSchedule::Event> perform(const HookSchedule::Report& action);
  std::optional<HookSchedule::Event> perform(const HookSchedule::End& action);
  void signal_group(int signo) const;
  void report_failure(std::optional<std::chrono::nanoseconds> retry_in);
  // "renew_cmd_failed".
  [[nodiscard]] std::string event(std::string_view what) const;

  Loop& loop_;
  log::Logger log_;
  std::string name_;
  std::string command_;  // argv[0]: arguments may be secret
  std::string cert_dir_;
  std::chrono::nanoseconds timeout_;
  std::string failure_text_;
  std::string timeout_key_;
  Reaper* reaper_;
  std::function<void(const Result&)> on_result_;
  std::function<std::string()> consequence_;
  std::function<void(int)> on_end_;
  std::vector<std::string> env_;  // but for what changes
  HookSchedule machine_;
  // One for all runs, so that what an earlier one left behind neither fails to write nor keeps a descriptor
  // of ours.
  Pipe pipe_;
  LineCutter lines_;
  Launcher launcher_;
  std::unique_ptr<Child> child_;
  std::string outcome_;  // of the last run: "exited with code 3"
  log::Fields outcome_fields_;
  std::string hint_;  // for that
  TroubleLog troubles_;
  std::string stopped_because_;
  BootTime started_;
  Timer timer_;
  Watch output_;
};

}  // namespace spiffe::process
