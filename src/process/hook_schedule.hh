// When a command of ours (prepare_cmd, renew_cmd) runs and runs again: a state machine without I/O, clock or
// log. Events go in, actions come out, and Hook does them, in order. Used on the loop's thread only.
//
//   state        event            actions                                             next state
//   idle         Published        run                                                 run
//                Stop             End                                                 ended
//   run          Published        (remembered)                                        run
//                Exited 0         CancelTimer, Report; where remembered: run          idle or run
//                Exited else, StartFailed
//                                 CancelTimer, Report; where remembered: run,
//                                 else ArmTimer{1, 2, 4 … 60 s}                       backoff or run
//                TimerFired       SendTerm, ArmTimer{term_grace}                      stopping(next)
//                Stop             SendTerm, ArmTimer{term_grace}                      stopping(end)
//   backoff      Published        CancelTimer, run, the back-off begins anew          run
//                TimerFired       run                                                 run
//                Stop             CancelTimer, End                                    ended
//   stopping(x)  Published        (remembered)                                        stopping(x)
//                Exited           x = next: as where a run fails
//                                 x = end: CancelTimer, Report, End                   ended
//                TimerFired       Kill; x = end: ArmTimer{kKillPatience}              killing(x)
//                Stop, x = next   (the timer runs on)                                 stopping(end)
//                Stop, x = end    Kill, ArmTimer{kKillPatience}                       killing(end)
//   killing(x)   Published        (remembered)                                        killing(x)
//                Exited           as in stopping(x)
//                TimerFired       x = end: End, the run is left                       ended
//                Stop, x = next   ArmTimer{kKillPatience}                             killing(end)
//   ended        anything                                                             ended
//
// where "run" is ArmTimer{timeout} (unless 0), Start. With Policy::once the first run is the last: whatever
// it comes to is followed by End. Without Policy::retry a run that fails is followed as one
// that succeeds. What a cell does not name is ignored. There are never two runs at once.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace spiffe::process {

// What was published.
struct Changes {
  bool x509 = false;
  bool jwt = false;
  bool bundle = false;

  bool operator==(const Changes&) const = default;
  Changes& operator|=(const Changes& other);
  [[nodiscard]] bool any() const { return x509 || jwt || bundle; }
  // "x509,bundle".
  [[nodiscard]] std::string words() const;
};

class HookSchedule {
 public:
  // How long the end of the helper waits for one that was killed.
  static constexpr std::chrono::seconds kKillPatience{1};
  static constexpr std::chrono::seconds kMaxBackOff{60};

  // Events.
  struct Published {
    Changes changes;  // one at least
  };
  struct StartFailed {  // the answer to Start where there is no run
    int code = 127;
  };
  struct Exited {
    int code = 0;  // as a shell gives it
  };
  struct TimerFired {};
  struct Stop {};  // the helper shall end
  using Event = std::variant<Published, StartFailed, Exited, TimerFired, Stop>;

  // Actions. Start may be answered by StartFailed, which goes in before any other event; it is the last of
  // its list, and so is End.
  struct Start {
    Changes changes;  // all since the start of the last run that succeeded
  };
  struct SendTerm {};
  struct Kill {};
  struct ArmTimer {  // there is one timer; arming replaces
    std::chrono::nanoseconds delay{};
  };
  struct CancelTimer {};  // also where none is armed
  struct Report {         // of the run that is over
    bool succeeded = false;
    bool overtaken = false;  // something newer was published while it ran
    std::optional<std::chrono::nanoseconds> retry_in = std::nullopt;
  };
  struct End {
    int code = 0;  // with Policy::once that of the run, never 0 where it did not succeed; else 0
  };
  using Action = std::variant<Start, SendTerm, Kill, ArmTimer, CancelTimer, Report, End>;
  using Actions = std::vector<Action>;

  enum class State { idle, run, backoff, stopping, killing, ended };
  // What follows when a run that must end is over.
  enum class Target { next, end };

  struct Policy {
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);    // of one run; 0: none
    std::chrono::nanoseconds term_grace = std::chrono::seconds(2);  // of a run that must end, until SIGKILL
    bool once = false;
    bool retry = true;  // else one that failed waits for the next Published, as one that succeeded
  };

  explicit HookSchedule(Policy policy) : policy_(policy) {}

  [[nodiscard]] Actions handle(const Event& event);

  [[nodiscard]] State state() const { return state_; }
  // Meaningful in stopping and killing.
  [[nodiscard]] Target target() const { return target_; }

 private:
  Actions on(const Published& event);
  Actions on(const StartFailed& event);
  Actions on(const Exited& event);
  Actions on(const TimerFired& event);
  Actions on(const Stop& event);

  // The run is over.
  Actions over(bool succeeded, int code);
  void run(Actions& out);
  Actions terminate(Target target);
  Actions kill();
  Actions end(int code);
  std::chrono::nanoseconds next_back_off();

  Policy policy_;
  State state_ = State::idle;
  Target target_ = Target::next;
  Changes told_;   // what the current or failed run was started for
  Changes newer_;  // what came after its start
  int failures_ = 0;
};

}  // namespace spiffe::process
