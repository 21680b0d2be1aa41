// The child of `cmd`: started at the first publication, told of every later one, stopped when the helper
// ends. Does what ChildMachine decides, and logs it.
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

// Create one only where a command is configured. Destroying it before it has ended leaves the child running.
// Loop thread, which must be the main thread (LaunchOptions::die_with_parent).
class Supervisor {
 public:
  struct Options {
    // In wrap mode stop signals go to the child's group, and the terminal, where there is one, is the child's
    // while it runs. In either mode a group of its own is ended before the next start, and at the end.
    LaunchOptions launch;
    ChildMachine::Policy policy;  // `deadly` is found out here
    int renew_signal = 0;         // 0: none
    int stop_signal = SIGTERM;
    Reaper* reaper = nullptr;                          // not owned
    std::function<void(ChildNews)> on_news = nullptr;  // for whoever counts; must not call back
  };

  // `on_end` gets the exit code of the helper, once, as the last thing done here, possibly from within
  // terminate(). It must not destroy this object.
  Supervisor(Loop& loop, Options options, std::function<void(int exit_code)> on_end);

  // Every output that counts is on disk. Numbers grow; the first one starts the child.
  void published(Generation generation);

  // First call: stops the child, then ends; at once where there is none. Second call: kills it. `signal`:
  // that told the helper to end, 0 where none did.
  void terminate(int signal = 0);

  // Passes a signal on to the child, if it is there. Where it is not, the hang-up of the terminal is the end.
  void forward(int signal);

  // ^Z while the terminal is ours and not the child's, which shall stop with us.
  void suspend();

  // Somebody of our own group, a pager behind us in a pipeline, was stopped for want of the terminal.
  void share_terminal();

  // A new configuration: another command replaces the present child, anything else counts from now on, an
  // environment from the next start.
  void reconfigure(Options options);

  // Tell of every SIGCHLD: a child that was stopped says so in no other way, nor does one without a pidfd.
  void child_changed();

  [[nodiscard]] bool ended() const { return machine_.state() == State::ended; }
  [[nodiscard]] State state() const { return machine_.state(); }
  // Of the generation published last; may change with each ChildNews.
  [[nodiscard]] Learning learning() const { return machine_.learning(); }
  // 0 where no child runs.
  [[nodiscard]] pid_t child_pid() const { return child_ ? child_->pid() : 0; }

 private:
  void deliver(const Event& event);
  void step(const Event& event);
  void reap();
  // Where nobody is left of the last child's group, gives up its number: true.
  bool release_rest();

  // Does one action; an event where the action has an answer.
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

  // To the child alone, or in wrap mode to its group, or to what is left of that. False where it was refused,
  // which is logged.
  bool send(int signo);
  bool send_to_group(int signo);
  bool send_to_rest(int signo);
  bool sent(pid_t pid, int signo, const Result<>& result);
  [[nodiscard]] std::string child_name(pid_t pid) const;
  void tell(ChildNews news) const {
    if (on_news_) on_news_(news);
  }

  Loop& loop_;
  std::string command_;
  bool wrap_;
  bool own_group_;     // of the child started next
  bool hang_up_ends_;  // not under nohup
  bool of_a_script_;   // in its background, which ^C is not for: the terminal is lent only when asked for
  int renew_signal_;
  int stop_signal_;
  Reaper* reaper_;
  std::function<void(ChildNews)> on_news_;
  std::function<void(int)> on_end_;
  ChildMachine machine_;
  std::unique_ptr<Launcher> launcher_;
  std::optional<Terminal> terminal_;  // in wrap mode only
  std::unique_ptr<Child> child_;
  std::unique_ptr<Child> rest_;  // the last one, which has ended, held as long as others of its group live on
  bool leads_group_ = false;     // child_ and rest_
  std::optional<StartError> start_error_;
  pid_t reaped_ = 0;  // the child of the exit being reported
  bool warned_no_pidfd_ = false;
  Timer timer_;
  Timer rest_poll_;  // nobody tells when a group is empty
  std::chrono::milliseconds rest_wait_{};
};

}  // namespace spiffe::process
