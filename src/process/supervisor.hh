// The child of `cmd`: started at the first publication, notified of every later one, stopped when the helper
// ends. Performs the actions of ChildMachine and logs them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <signal.h>
#include <sys/types.h>

#include "base/loop.hh"
#include "process/child.hh"
#include "process/child_machine.hh"
#include "process/launcher.hh"
#include "process/terminal.hh"

namespace spiffe::process {

enum class ChildNews { started, ended, signalled, signal_failed, signal_withheld };

// Create one only if a command is configured. Destroying it before it has ended leaves the child running.
// Loop thread, which must be the main thread (LaunchOptions::die_with_parent).
class Supervisor {
 public:
  struct Options {
    // In wrap mode, stop signals go to the child's group, and the child has the terminal, if there is one,
    // while it runs. In both modes, a group of its own is ended before the next start and at the end.
    LaunchOptions launch;
    ChildMachine::Policy policy;  // `deadly` is set here
    int renew_signal = 0;         // 0: none
    int stop_signal = SIGTERM;
    Reaper* reaper = nullptr;                          // not owned
    std::function<void(ChildNews)> on_news = nullptr;  // for counters; must not call back
  };

  // `on_end` gets the exit code of the helper, once, as the last action, possibly from within terminate(). It
  // must not destroy this object.
  Supervisor(Loop& loop, Options options, std::function<void(int exit_code)> on_end);

  // Every output that the child needs is on disk. Numbers increase; the first one starts the child.
  void published(Generation generation);

  // First call: stops the child and then ends; ends at once if there is no child. Second call: kills the
  // child. `signal` is the one that requested the end, 0 if none did.
  void terminate(int signal = 0);

  // Passes a signal on to the child, if there is one. If there is none, the hang-up of the terminal ends the
  // helper.
  void forward(int signal);

  // Handles ^Z while the terminal is ours and not the child's: the child stops with us.
  void suspend();

  // A process of our own group, such as a pager after us in a pipeline, was stopped because it needs the
  // terminal.
  void share_terminal();

  // Applies a new configuration. Another command replaces the present child. Everything else takes effect
  // now, a changed environment at the next start.
  void reconfigure(Options options);

  // Call it at every SIGCHLD: it is the only notification of a child that was stopped, and of a child without
  // a pidfd that ended.
  void child_changed();

  [[nodiscard]] bool ended() const { return machine_.state() == State::ended; }
  [[nodiscard]] State state() const { return machine_.state(); }
  // For the last published generation; may change with each ChildNews.
  [[nodiscard]] Learning learning() const { return machine_.learning(); }
  // 0 if no child runs.
  [[nodiscard]] pid_t child_pid() const { return child_ ? child_->pid() : 0; }

 private:
  void deliver(const Event& event);
  void step(const Event& event);
  void reap();
  // If the last child's group is empty, reaps the child, which releases the group's id. Returns whether it
  // did.
  bool release_rest();

  // Performs one action; returns an event if the action has an answer.
  std::optional<Event> perform(const Start& action);
  std::optional<Event> perform(const CheckReady& action);
  std::optional<Event> perform(const Signal& action);
  std::optional<Event> perform(const SendStop& action);
  std::optional<Event> perform(const Kill& action);
  std::optional<Event> perform(const EndRest& action);
  std::optional<Event> perform(const ArmTimer& action);
  std::optional<Event> perform(const CancelTimer& action);
  std::optional<Event> perform(const ReportExit& action);
  std::optional<Event> perform(const ReportFailedStart& action);
  std::optional<Event> perform(const ReportWithheld& action);
  std::optional<Event> perform(const ReportTimeout& action);
  std::optional<Event> perform(const End& action);

  // To the child alone; in wrap mode to its group; or to the remaining members of that group. False if
  // refused, which is logged.
  bool send(int signo);
  bool send_to_group(int signo);
  bool send_to_rest(int signo);
  bool sent(pid_t pid, int signo, const Result<>& result);
  [[nodiscard]] std::string child_name(pid_t pid) const;
  void report(ChildNews news) const {
    if (on_news_) on_news_(news);
  }

  Loop& loop_;
  std::string command_;
  bool wrap_;
  bool own_group_;     // for the next child
  bool hang_up_ends_;  // false under nohup
  bool of_a_script_;   // in the background of a script, out of reach of ^C: gets the terminal only on request
  int renew_signal_;
  int stop_signal_;
  Reaper* reaper_;
  std::function<void(ChildNews)> on_news_;
  std::function<void(int)> on_end_;
  ChildMachine machine_;
  std::unique_ptr<Launcher> launcher_;
  std::optional<Terminal> terminal_;  // in wrap mode only
  std::unique_ptr<Child> child_;
  std::unique_ptr<Child> rest_;  // the last child, which has ended, held while its group has members
  bool leads_group_ = false;     // for child_ and rest_
  std::optional<StartError> start_error_;
  pid_t reaped_ = 0;  // the child whose exit is being reported
  bool warned_no_pidfd_ = false;
  Timer timer_;
  Timer rest_poll_;  // there is no notification of an empty group
  std::chrono::milliseconds rest_wait_{};
};

}  // namespace spiffe::process
