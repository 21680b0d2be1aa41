// Decides when the child is started, signalled, stopped and killed: a state machine without I/O, clock or
// log. It takes events and returns actions, which Supervisor performs in order. Used on the loop's thread
// only.
//
// W is the generation published last; N is the one that the child knows, by its start or by a signal. W > N
// is a rotation. The first generation since the helper's start always is one, whatever its number. Every
// Start sets N = W.
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
//                  blocked        ArmTimer{kGuardPoll}; past the grace, or if so at the last check and it had
//                                 no handler at the last signal: Signal, N = W  run
//                  ignored        ArmTimer{kGuardPoll}; past the grace: Signal, N = W  run
//                  none           ArmTimer{kGuardPoll}; past the grace:
//                                 withhold: ReportWithheld once, ArmTimer{kWithheldPoll}
//                                 else: Signal{handled = false}, N = W          run
//                TimerFired       CheckReady                                    run
//                Replaced         SendStop, ArmTimer{stop_timeout}              stopping(start)
//                Exited           ReportExit, and by the policy:
//                  again          ArmTimer{back-off}                            backoff
//                  not, job       if W > N: Start                               gone or run
//                  not, wrap      End                                           ended
//                StartFailed, shortage
//                                 ReportFailedStart, ArmTimer{back-off}         backoff
//                StartFailed      as Exited, with ReportFailedStart             backoff, gone or ended
//                Terminate        SendStop, ArmTimer{stop_timeout}              stopping(end)
//                  leave at end   End{left = true}                              ended
//   gone (job)   Published, W > N Start                                         run
//                Replaced         Start                                         run
//                Terminate        End                                           ended
//   backoff      Published        (W only: for the next start)                  backoff
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
//   ended        any event                                                      ended
//
// clearing: the child has ended, other members of its process group are alive (Exited::remains), and a Start
// or an End is due, which waits until the group is empty. From run, gone and backoff, clearing begins with
// ArmTimer{stop_timeout} and EndRest{stop}; until then the other members may live and serve. From stopping,
// the timer continues, with EndRest{wait} if the group got the stop signal together with the child (wrap),
// else EndRest{stop}. From killing, clearing begins with EndRest{kill}, and for x = end also with
// ArmTimer{kRestPatience}. If the child is left running at our end, so are the other members.
//
// Events that are not in the table are ignored. There is never a second child before the first is reaped and
// its group is empty. In job mode, five quick failures do not end the helper, which has files to renew and
// continues trying. The code of End is 0 in job mode. In wrap mode it is the child's; 128 + n if signal n
// ended the helper before the child was ever started; and 1 if the child is left because it may not be
// killed. A shortage is not an end of a child: it is independent of the policy and does not count as a
// failure.
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

// What follows when a child that is being stopped has been reaped and its group is empty.
enum class Target { start, end };

// While a child does not handle a deadly signal, it is checked at this interval, for this long after its
// start and after each signal.
inline constexpr std::chrono::milliseconds kGuardPoll{100};
inline constexpr std::chrono::seconds kGuardGrace{10};
// And at this interval after that, while the signal is withheld.
inline constexpr std::chrono::seconds kWithheldPoll{1};
// How long our end waits for killed members of the child's group.
inline constexpr std::chrono::milliseconds kRestPatience{500};

// How the child learns about the files of the last published generation.
enum class Learning {
  pending,     // by a signal that waits until the child is ready for it
  next_start,  // by its next start
  by_start,    // it was started with them, or its start failed
  running,     // was already running: was signalled, is not to be, or must not be because that would end it
};

// Whether the default action of `signo` ends a process, and a handler could prevent that.
[[nodiscard]] bool is_deadly(int signo);

// Events.
struct Begin {};    // the first event
struct Published {  // every file of the generation is on disk
  Generation generation = 0;
};
struct StartFailed {      // the answer to Start if there is no child
  int code = 127;         // as a shell reports it
  bool shortage = false;  // the machine lacks resources; the program is not at fault
};
struct Exited {  // the child has ended
  ExitStatus status;
  bool remains = false;  // other members of its process group are still alive
};
struct Cleared {};  // its group is empty: the answer to EndRest, or some time after it
struct Readiness {  // the answer to CheckReady
  SignalUse use = SignalUse::none;
};
struct TimerFired {};
struct KillRefused {};  // the answer to Kill if the child may not be signalled
struct Replaced {};     // the next Start starts another command; the present child must be stopped
struct Terminate {      // the helper must end
  int signal = 0;       // the signal that requested it; 0 if none did
};
using Event = std::variant<Begin, Published, StartFailed, Exited, Cleared, Readiness, TimerFired, KillRefused,
                           Replaced, Terminate>;

// Actions. Start, CheckReady, Kill and EndRest may be answered by an event, which must be handled before any
// other. An action with an answer is the last of its list, and so is End.
struct Start {};
struct CheckReady {};  // check what the child does with the renewal signal
struct Signal {        // the renewal signal
  bool handled = true;
};
struct SendStop {};  // stop_signal, then SIGCONT
struct Kill {};      // SIGKILL
// For the remaining members of the group: only wait for them, send them stop_signal and SIGCONT, or kill
// them.
enum class Force { wait, stop, kill };
struct EndRest {
  Force force = Force::stop;
};
struct ArmTimer {  // there is one timer; arming it replaces its deadline
  std::chrono::nanoseconds delay{};
};
struct CancelTimer {};
// What follows an end that was not requested.
enum class Next { next_rotation, restart, backoff, give_up, end };
struct ReportExit {
  ExitStatus status;
  Next next = Next::next_rotation;
  std::chrono::nanoseconds delay{};  // only with backoff
};
struct ReportFailedStart {
  Next next = Next::next_rotation;
  std::chrono::nanoseconds delay{};
};
struct ReportWithheld {};  // the renewal signal waits until the child is ready for it
struct ReportTimeout {};   // start_timeout
struct End {
  int exit_code = 0;
  bool left = false;  // the child, or remaining members of its group, are left running on purpose
};
using Action = std::variant<Start, CheckReady, Signal, SendStop, Kill, EndRest, ArmTimer, CancelTimer,
                            ReportExit, ReportFailedStart, ReportWithheld, ReportTimeout, End>;
using Actions = std::vector<Action>;

class ChildMachine {
 public:
  struct Policy {
    bool wrap = false;
    OnRotate on_rotate = OnRotate::none;
    bool deadly = false;    // is_deadly() of the renewal signal
    bool withhold = false;  // withhold a deadly signal from a child that is not ready after its grace
    bool leave_at_end = false;
    Restart restart = Restart::never;
    std::chrono::nanoseconds stop_timeout = std::chrono::seconds(10);
    std::chrono::nanoseconds start_timeout{0};  // 0: no limit
  };

  // `seed` is for the jitter of the back-off.
  explicit ChildMachine(Policy policy, unsigned seed = 1) : policy_(policy), random_(seed) {}

  [[nodiscard]] Actions handle(const Event& event, BootTime now);

  // What is in progress continues under the new policy; start_timeout keeps its value.
  void set_policy(const Policy& policy);

  [[nodiscard]] State state() const { return state_; }
  // Meaningful in stopping, killing and clearing.
  [[nodiscard]] Target target() const { return target_; }
  // N; nullopt before the first start.
  [[nodiscard]] std::optional<Generation> notified() const { return notified_; }
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

  [[nodiscard]] bool pending() const { return published_ > notified_; }
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
  std::optional<Generation> notified_;   // N
  std::optional<Generation> read_;       // N at the last Start
  BootTime now_;                         // the time of the event being handled
  BootTime started_;                     // when this child was started
  std::optional<BootTime> signalled_;    // when it was last signalled
  bool had_handler_ = false;             // it had a handler then
  std::optional<int> last_code_;         // of the last child; nullopt if none was ever started
  bool timed_ = false;                   // start_timeout is running
  bool remains_ = false;                 // members of the last child's group are alive
  bool killed_ = false;                  // the remaining members were killed
  bool terminated_ = false;              // a Terminate was received
  int end_code_ = 0;                     // for clearing(end)
  bool blocked_ = false;                 // this child blocked the signal at the last check
  bool withheld_ = false;                // withholding the signal is reported
};

}  // namespace spiffe::process
