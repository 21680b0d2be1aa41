// When the child is started, signalled, stopped and killed: a state machine without I/O, clock or log. Events
// go in, actions come out, and Supervision does them, in order. Used on the loop's thread only.
//
// W is the generation published last, N the one the child was told of, by its start or by a signal. A
// rotation is W > N; the first generation of the helper's life is one, whatever its number. Every Start sets
// N = W.
//
//   state        event            actions                                       next state
//   wait         Published        Start                                         run
//                Terminate        End                                           ended
//   run          Published, W > N
//                  signal         Signal, N = W                                 run
//                  deadly signal  CheckReady (unless found ready before)        run
//                  restart        SendStop, ArmTimer{stop_timeout}              stopping(start)
//                  none           N = W                                         run
//                Readiness
//                  handled        Signal, N = W                                 run
//                  blocked        ArmTimer{kGuardPoll}; if so before or past the grace: Signal, N = W
//                  none           ArmTimer{kGuardPoll}; past the grace: Signal{handled = false}, N = W
//                TimerFired       CheckReady                                    run
//                Exited           ReportExit, and where W > N: Start            gone or run
//                StartFailed                                                    gone
//                Terminate        SendStop, ArmTimer{stop_timeout}              stopping(end)
//   gone         Published, W > N Start                                         run
//                Terminate        End                                           ended
//   stopping(x)  Published        (W only: the next start tells it)             stopping(x)
//                Exited           CancelTimer, ReportExit; x: Start or End      run or ended
//                TimerFired       Kill                                          killing(x)
//                Terminate
//                  x = start      (the timer runs on)                           stopping(end)
//                  x = end        CancelTimer, Kill                             killing(end)
//   killing(x)   Published        (W only)                                      killing(x)
//                Exited           ReportExit; x: Start or End                   run or ended
//                KillRefused      x = end: End, the child is left               killing(start) or ended
//                Terminate        x = start: Kill once more                     killing(end)
//   ended        anything                                                       ended
//
// What a cell does not name is ignored. A second child never exists before the first is reaped.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/clock.hh"
#include "process/exit_status.hh"
#include "process/signal_use.hh"

namespace spiffe::process {

using Generation = std::uint64_t;

enum class State { wait, run, gone, stopping, killing, ended };

// What follows when a child that is being stopped has been reaped.
enum class Target { start, end };

// What a rotation means for a running child.
enum class OnRotate { signal, restart, none };

// A child that is not ready for a deadly signal is looked at this often, for this long after its start.
inline constexpr std::chrono::milliseconds kGuardPoll{100};
inline constexpr std::chrono::seconds kGuardGrace{10};

// Whether `signo`'s default action ends a process that could have survived it by a handler.
[[nodiscard]] bool is_deadly(int signo);

// Events.
struct Published {  // every file of the generation is on disk
  Generation generation = 0;
};
struct StartFailed {};  // the answer to Start where there is no child
struct Exited {         // the child was reaped
  ExitStatus status;
};
struct Readiness {  // the answer to CheckReady
  SignalUse use = SignalUse::none;
};
struct TimerFired {};
struct KillRefused {};  // the answer to Kill where the child may not be signalled
struct Terminate {};    // the helper shall end
using Event = std::variant<Published, StartFailed, Exited, Readiness, TimerFired, KillRefused, Terminate>;

// Actions. Start, CheckReady and Kill may be answered by an event, which goes in before any other; an
// answer's action is the last of its list, and so is End.
struct Start {};
struct CheckReady {};  // what does the child do with the renewal signal?
struct Signal {        // the renewal signal
  bool handled = true;
};
struct SendStop {};  // stop_signal, then SIGCONT
struct Kill {};      // SIGKILL
struct ArmTimer {    // there is one timer; arming replaces
  std::chrono::nanoseconds delay{};
};
struct CancelTimer {};
struct ReportExit {
  enum class Next { next_rotation, restart, end };
  ExitStatus status;
  Next next = Next::next_rotation;
};
struct End {
  int exit_code = 0;
};
using Action =
    std::variant<Start, CheckReady, Signal, SendStop, Kill, ArmTimer, CancelTimer, ReportExit, End>;
using Actions = std::vector<Action>;

class Supervisor {
 public:
  struct Policy {
    OnRotate on_rotate = OnRotate::none;
    bool guard = false;  // the renewal signal is deadly: is_deadly()
    std::chrono::nanoseconds stop_timeout = std::chrono::seconds(10);
  };

  explicit Supervisor(Policy policy) : policy_(policy) {}

  [[nodiscard]] Actions handle(const Event& event, BootTime now);

  [[nodiscard]] State state() const { return state_; }
  // Meaningful in stopping and killing.
  [[nodiscard]] Target target() const { return target_; }
  // N; nothing before the first start.
  [[nodiscard]] std::optional<Generation> told() const { return told_; }

 private:
  Actions on(const Published& event);
  Actions on(const StartFailed& event);
  Actions on(const Exited& event);
  Actions on(const Readiness& event);
  Actions on(const TimerFired& event);
  Actions on(const KillRefused& event);
  Actions on(const Terminate& event);

  [[nodiscard]] bool pending() const { return published_ > told_; }
  Actions start();
  Actions end();
  Actions signal(bool handled);
  Actions stop(Target target);
  Actions rotate();

  Policy policy_;
  State state_ = State::wait;
  Target target_ = Target::end;
  std::optional<Generation> published_;  // W
  std::optional<Generation> told_;       // N
  BootTime now_;                         // of the event being handled
  BootTime started_;                     // this child
  bool ready_ = false;                   // this child was once found ready for the signal
  bool blocked_ = false;                 // and at the last look it blocked it
};

}  // namespace spiffe::process
