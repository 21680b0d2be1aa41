// A command that is run for publications: prepare_cmd, before the consumers are notified, and renew_cmd,
// after. Performs the actions of HookSchedule and logs them.
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

// Create one only if a command is configured. Each run is a process group of its own, and ends with its
// command. Processes that the command leaves behind live on and may write to our log, unless the run had to
// be ended, which kills the whole group. Destroying this before it has ended leaves a run alone. Loop thread,
// which must be the main thread (LaunchOptions::die_with_parent).
class Hook {
 public:
  // The result of one run.
  struct Result {
    bool succeeded = false;
    bool overtaken = false;  // something newer was published during the run: the next one begins at once
    std::string words = {};  // "exited with code 3"
  };

  struct Options {
    std::string name;      // the configuration key, for the log and its events
    LaunchOptions launch;  // argv, env, mask and core_dumps; the other fields are set here
    std::string cert_dir;  // absolute
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);    // for one run; 0: none
    std::chrono::nanoseconds term_grace = std::chrono::seconds(2);  // from SIGTERM to SIGKILL
    bool once = false;              // ends after the first run, successful or not
    bool retry = true;              // run a failed command again after a back-off
    std::string failure_text = {};  // the log message of a failure; "": made of name and outcome
    std::string timeout_key = {};   // the key for `timeout`, used in a hint
    Reaper* reaper = nullptr;       // not owned
    log::Logger log = {};
    // Called after each run that was not cut short by stop(), after it is logged. Must not call back into
    // this object.
    std::function<void(const Result&)> on_result = nullptr;
    // The consequence of a failure, for the log: "the program is not started until it succeeds". May be
    // empty.
    std::function<std::string()> consequence = nullptr;
  };

  // `on_end` is called once, as the last action, possibly from within published() or stop(). With `once`, it
  // gets the run's exit code as a shell reports it, never 0 if the run failed; otherwise 0, after stop(). It
  // must not destroy this object.
  static spiffe::Result<std::unique_ptr<Hook>> create(Loop& loop, Options options,
                                                      std::function<void(int exit_code)> on_end);

  // These files are on disk. Runs the command now, or again after the present run.
  void published(const Changes& changes);

  // First call: starts no new run. A present run gets TERM, KILL after term_grace, and is left alone 1 s
  // after that. Second call: KILL at once. `why` is for the log.
  void stop(std::string_view why = "the helper ends");

  // Call it at every SIGCHLD. Needed only if the system has no pidfd, harmless otherwise.
  void child_changed();

  [[nodiscard]] HookSchedule::State state() const { return machine_.state(); }
  [[nodiscard]] bool ended() const { return state() == HookSchedule::State::ended; }
  // The pid of the present run, else 0.
  [[nodiscard]] pid_t pid() const { return child_ ? child_->pid() : 0; }

 private:
  struct Pipe {
    Fd reader;
    Fd writer;
  };

  Hook(Loop& loop, Options options, Pipe pipe, std::function<void(int)> on_end);
  void step(const HookSchedule::Event& event);
  // Whether a run has ended.
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
  std::string command_;  // only argv[0], since arguments may be secret
  std::string cert_dir_;
  std::chrono::nanoseconds timeout_;
  std::string failure_text_;
  std::string timeout_key_;
  Reaper* reaper_;
  std::function<void(const Result&)> on_result_;
  std::function<std::string()> consequence_;
  std::function<void(int)> on_end_;
  std::vector<std::string> env_;  // without the variable that differs for each run
  HookSchedule machine_;
  // One pipe for all runs, so that processes left behind by an earlier run can still write, and keep no
  // further descriptor of ours open.
  Pipe pipe_;
  LineCutter lines_;
  Launcher launcher_;
  std::unique_ptr<Child> child_;
  std::string outcome_;  // the outcome of the last run: "exited with code 3"
  log::Fields outcome_fields_;
  std::string hint_;  // the hint for it
  TroubleLog troubles_;
  std::string stopped_because_;
  BootTime started_;
  Timer timer_;
  Watch output_;
};

}  // namespace spiffe::process
