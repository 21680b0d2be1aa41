// When the child is started, signalled, stopped and killed: a state machine without I/O, clock or log. Events
// go in, actions come out, and Supervisor does them, in order. Used on the loop's thread only.
//
// W is the generation published last, N the one the child was told of, by its start or by a signal. A
// rotation is W > N; the first generation of the helper's life is one, whatever its number. Every Start sets
// N = W.
//
//   state        event            actions                                       next state
//   wait         Begin            start_timeout: ArmTimer{start_timeout}        wait
//                Published        (CancelTimer) Start                           run
//                TimerFired       ReportTimeout, End{1}                         ended
//                Terminate        (CancelTimer) End                             ended
//   run          Published, W > N
//                  signal         Signal, N = W                                 run
//                  deadly signal  CheckReady                                    run
//                  restart        SendStop, ArmTimer{stop_timeout}              stopping(start)
//                  none           N = W                                         run
//                Readiness
//                  handled        Signal, N = W                                 run
//                  blocked        ArmTimer{kGuardPoll}; if so at the last look or past the grace:
//                                 Signal, N = W                                 run
//                  none           ArmTimer{kGuardPoll}; past the grace:
//                                 withhold: ReportWithheld once, ArmTimer{kWithheldPoll}
//                                 else: Signal{handled = false}, N = W          run
//                TimerFired       CheckReady                                    run
//                Replaced         SendStop, ArmTimer{stop_timeout}              stopping(start)
//                Exited           ReportExit, and by the policy:
//                  again          ArmTimer{back-off}                            backoff
//                  not, job       where W > N: Start                            gone or run
//                  not, wrap      End                                           ended
//                StartFailed, shortage
//                                 ReportFailedStart, ArmTimer{back-off}         backoff
//                StartFailed      as Exited, with ReportFailedStart             backoff, gone or ended
//                Terminate        SendStop, ArmTimer{stop_timeout}              stopping(end)
//                  leave at end   End{left = true}                              ended
//   gone (job)   Published, W > N Start                                         run
//                Replaced         Start                                         run
//                Terminate        End                                           ended
//   backoff      Published        (W only: the next start tells it)             backoff
//                TimerFired       Start                                         run
//                Terminate        CancelTimer, End                              ended
//   stopping(x)  Published        (W only)                                      stopping(x)
//                Exited           CancelTimer, ReportExit; x: Start or End      run or ended
//                TimerFired       Kill                                          killing(x)
//                Terminate
//                  x = start      (the timer runs on)                           stopping(end)
//                  x = end        CancelTimer, Kill                             killing(end)
//   killing(x)   Published        (W only)                                      killing(x)
//                Exited           ReportExit; x: Start or End                   run or ended
//                KillRefused      x = end: End, the child is left               killing(start) or ended
//                Terminate        x = start: Kill once more                     killing(end)
//   gone, backoff Cleared         (a Start or End need not wait)                gone, backoff
//   clearing(x)  Published        (W only)                                      clearing(x)
//                Cleared          CancelTimer; x: Start or End                  run or ended
//                TimerFired
//                  first          (x = end: ArmTimer{kRestPatience},) EndRest{kill} clearing(x)
//                  x = end, then  End, the rest is left                         ended
//                Terminate
//                  leave at end   CancelTimer, End{left = true}                 ended
//                  first, x = start  (the timer runs on; killed: ArmTimer{kRestPatience}) clearing(end)
//                  first, x = end (the timer runs on)                           clearing(end)
//                  second         ArmTimer{kRestPatience}, EndRest{kill}        clearing(end)
//   ended        anything                                                       ended
//
// clearing: the child has ended, others of its process group live on (Exited::remains), and it is time for a
// Start or an End, which wait until the group is empty. From run, gone and backoff it begins with
// ArmTimer{stop_timeout}, EndRest{stop}; until then they may live, and serve. From stopping the timer runs
// on, with EndRest{wait} where the group got the stop signal with the child (wrap), else EndRest{stop}; from
// killing it begins with EndRest{kill}, and for x = end ArmTimer{kRestPatience}. Where the child is left at
// our end, so are they.
//
// What a cell does not name is ignored. A second child never exists before the first is reaped and its group
// is empty. In job mode five quick failures are no end: the helper has files to renew, and goes on trying.
// The code of End is 0 in job mode; in wrap mode it is the child's, 128 + n where the helper was told by
// signal n to end before it was ever started, and 1 where it is left because it may not be killed. A shortage
// is no end of a child: no policy is asked, and it does not count as a failure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <variant>
#include <vector>

#include "base/clock.hh"
#include "process/exit_status.hh"
#include "process/policy.hh"
#include "process/restarts.hh"
#include "process/signal_use.hh"

namespace spiffe::process {

using Generation = std::uint64_t;

enum class State { wait, run, gone, backoff, stopping, killing, clearing, ended };

// What follows when a child that is being stopped has been reaped, and its group is empty.
enum class Target { start, end };

// A child that is not ready for a deadly signal is looked at this often, for this long after its start.
inline constexpr std::chrono::milliseconds kGuardPoll{100};
inline constexpr std::chrono::seconds kGuardGrace{10};
// And this often after that, where the signal is withheld.
inline constexpr std::chrono::seconds kWithheldPoll{1};
// How long our end waits for what was killed of the child's group.
inline constexpr std::chrono::milliseconds kRestPatience{500};

// How the child gets to know the files of the generation published last.
enum class Learning {
  pending,     // by a signal that waits until the child is ready for it
  next_start,  // it starts, or starts again, with them
  by_start,    // it was started with them, or could not be
  running,     // it ran already, and was signalled, is not to be, or may not be because that would end it
};

// Whether `signo`'s default action ends a process that could have survived it by a handler.
[[nodiscard]] bool is_deadly(int signo);

// Events.
struct Begin {};    // the first one
struct Published {  // every file of the generation is on disk
  Generation generation = 0;
};
struct StartFailed {      // the answer to Start where there is no child
  int code = 127;         // as a shell would report it
  bool shortage = false;  // of the machine: nothing is wrong with the program
};
struct Exited {  // the child has ended
  ExitStatus status;
  bool remains = false;  // others of its process group live on
};
struct Cleared {};  // nobody is left of that group: the answer to EndRest, or some time after it
struct Readiness {  // the answer to CheckReady
  SignalUse use = SignalUse::none;
};
struct TimerFired {};
struct KillRefused {};  // the answer to Kill where the child may not be signalled
struct Replaced {};     // the next Start starts another command: the present one has no place any more
struct Terminate {      // the helper shall end
  int signal = 0;       // that told it so; 0 where it was none
};
using Event = std::variant<Begin, Published, StartFailed, Exited, Cleared, Readiness, TimerFired, KillRefused,
                           Replaced, Terminate>;

// Actions. Start, CheckReady, Kill and EndRest may be answered by an event, which goes in before any other;
// an answer's action is the last of its list, and so is End.
struct Start {};
struct CheckReady {};  // what does the child do with the renewal signal?
struct Signal {        // the renewal signal
  bool handled = true;
};
struct SendStop {};  // stop_signal, then SIGCONT
struct Kill {};      // SIGKILL
// What is left of the group: only waited for, or told by stop_signal and SIGCONT, or killed.
enum class Force { wait, stop, kill };
struct EndRest {
  Force force = Force::stop;
};
struct ArmTimer {  // there is one timer; arming replaces
  std::chrono::nanoseconds delay{};
};
struct CancelTimer {};
// What follows an end that was not asked for.
enum class Next { next_rotation, restart, backoff, give_up, end };
struct ReportExit {
  ExitStatus status;
  Next next = Next::next_rotation;
  std::chrono::nanoseconds delay{};  // with backoff
};
struct ReportFailedStart {
  Next next = Next::next_rotation;
  std::chrono::nanoseconds delay{};
};
struct ReportWithheld {};  // the renewal signal waits until the child is ready for it
struct ReportTimeout {};   // start_timeout
struct End {
  int exit_code = 0;
  bool left = false;  // the child, or what is left of its group, is meant to run on
};
using Action = std::variant<Start, CheckReady, Signal, SendStop, Kill, EndRest, ArmTimer, CancelTimer,
                            ReportExit, ReportFailedStart, ReportWithheld, ReportTimeout, End>;
using Actions = std::vector<Action>;

class ChildMachine {
 public:
  struct Policy {
    bool wrap = false;
    OnRotate on_rotate = OnRotate::none;
    bool deadly = false;    // the renewal signal: is_deadly()
    bool withhold = false;  // a deadly signal from a child that is past its grace and still not ready
    bool leave_at_end = false;
    Restart restart = Restart::never;
    std::chrono::nanoseconds stop_timeout = std::chrono::seconds(10);
    std::chrono::nanoseconds start_timeout{0};  // 0 = no limit
  };

  // `seed`: of the back-off's jitter.
  explicit ChildMachine(Policy policy, unsigned seed = 1) : policy_(policy), random_(seed) {}

  [[nodiscard]] Actions handle(const Event& event, BootTime now);

  // What is under way goes on under the new policy; start_timeout stays as it was.
  void set_policy(const Policy& policy);

  [[nodiscard]] State state() const { return state_; }
  // Meaningful in stopping, killing and clearing.
  [[nodiscard]] Target target() const { return target_; }
  // N; nothing before the first start.
  [[nodiscard]] std::optional<Generation> told() const { return told_; }
  [[nodiscard]] Learning learning() const;

 private:
  Actions on(const Begin&);
  Actions on(const Published& event);
  Actions on(const StartFailed& event);
  Actions on(const Exited& event);
  Actions on(const Cleared&);
  Actions on(const Readiness& event);
  Actions on(const TimerFired&);
  Actions on(const KillRefused&);
  Actions on(const Replaced&);
  Actions on(const Terminate& event);

  [[nodiscard]] bool pending() const { return published_ > told_; }
  [[nodiscard]] double random();
  Actions start();
  Actions end(int code, bool left = false);
  Actions signal(bool handled);
  Actions stop(Target target);
  Actions clear(Target target);
  Actions kill_rest();
  [[nodiscard]] Actions rest_timer() const;
  Actions terminate_clearing();
  Actions rotate();
  template <class Report>
  Actions after_end(Report report, bool failed, std::chrono::nanoseconds lived);

  Policy policy_;
  std::minstd_rand random_;
  Restarts restarts_;
  State state_ = State::wait;
  Target target_ = Target::end;
  std::optional<Generation> published_;  // W
  std::optional<Generation> told_;       // N
  std::optional<Generation> read_;       // N at the last Start
  BootTime now_;                         // of the event being handled
  BootTime started_;                     // this child
  std::optional<int> last_code_;         // of the last child; nothing: none was ever started
  bool timed_ = false;                   // start_timeout runs
  bool remains_ = false;                 // somebody of the last child's group lives on
  bool killed_ = false;                  // and was killed
  bool terminated_ = false;              // the helper was told to end
  int end_code_ = 0;                     // with clearing(end)
  bool blocked_ = false;                 // at the last look this child blocked the signal
  bool withheld_ = false;                // and that it was withheld is said
};

}  // namespace spiffe::process
