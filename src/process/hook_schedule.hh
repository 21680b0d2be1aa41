// Decides when a hook (prepare_cmd, renew_cmd) runs, and runs again: a state machine without I/O, clock or
// log. It takes events and returns actions, which Hook performs in order. Used on the loop's thread only.
//
//   state        event            actions                                             next state
//   idle         Published        run                                                 run
//                Stop             End                                                 ended
//   run          Published        (remembered)                                        run
//                Exited 0         CancelTimer, Report; if remembered: run             idle or run
//                Exited else, StartFailed
//                                 CancelTimer, Report; if remembered: run,
//                                 else ArmTimer{1, 2, 4 … 60 s}                       backoff or run
//                TimerFired       SendTerm, ArmTimer{term_grace}                      stopping(next)
//                Stop             SendTerm, ArmTimer{term_grace}                      stopping(end)
//   backoff      Published        CancelTimer, run, the back-off begins anew          run
//                TimerFired       run                                                 run
//                Stop             CancelTimer, End                                    ended
//   stopping(x)  Published        (remembered)                                        stopping(x)
//                Exited           x = next: as for a failed run
//                                 x = end: CancelTimer, Report, End                   ended
//                TimerFired       Kill; x = end: ArmTimer{kKillPatience}              killing(x)
//                Stop, x = next   (the timer runs on)                                 stopping(end)
//                Stop, x = end    Kill, ArmTimer{kKillPatience}                       killing(end)
//   killing(x)   Published        (remembered)                                        killing(x)
//                Exited           as in stopping(x)
//                TimerFired       x = end: End, the run is left                       ended
//                Stop, x = next   ArmTimer{kKillPatience}                             killing(end)
//   ended        any event                                                            ended
//
// "run" means ArmTimer{timeout} (unless 0), Start. With Policy::once the first run is the last: End follows
// it, whatever its result. Without Policy::retry, a failed run is treated like a successful one. Events that
// are not in the table are ignored. There are never two runs at once.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace spiffe::process {

// The kinds of material that were published.
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
  // How long the end of the helper waits for a killed run.
  static constexpr std::chrono::seconds kKillPatience{1};
  static constexpr std::chrono::seconds kMaxBackOff{60};

  // Events.
  struct Published {
    Changes changes;  // at least one
  };
  struct StartFailed {  // the answer to Start if there is no run
    int code = 127;
  };
  struct Exited {
    int code = 0;  // as a shell reports it
  };
  struct TimerFired {};
  struct Stop {};  // the helper must end
  using Event = std::variant<Published, StartFailed, Exited, TimerFired, Stop>;

  // Actions. Start may be answered by StartFailed, which must be handled before any other event. Start is the
  // last of its list, and so is End.
  struct Start {
    Changes changes;  // everything since the start of the last successful run
  };
  struct SendTerm {};
  struct Kill {};
  struct ArmTimer {  // there is one timer; arming it replaces its deadline
    std::chrono::nanoseconds delay{};
  };
  struct CancelTimer {};  // also if none is armed
  struct Report {         // of the run that has ended
    bool succeeded = false;
    bool overtaken = false;  // something newer was published during the run
    std::optional<std::chrono::nanoseconds> retry_in = std::nullopt;
  };
  struct End {
    int code = 0;  // with Policy::once the run's code, never 0 if it failed; else 0
  };
  using Action = std::variant<Start, SendTerm, Kill, ArmTimer, CancelTimer, Report, End>;
  using Actions = std::vector<Action>;

  enum class State { idle, run, backoff, stopping, killing, ended };
  // What follows when a run that must end is over.
  enum class Target { next, end };

  struct Policy {
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);    // for one run; 0: none
    std::chrono::nanoseconds term_grace = std::chrono::seconds(2);  // for a run that must end, until SIGKILL
    bool once = false;
    bool retry = true;  // if false, a failed run waits for the next Published, like a successful one
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

  // The run has ended.
  Actions over(bool succeeded, int code);
  void run(Actions& out);
  Actions terminate(Target target);
  Actions kill();
  Actions end(int code);
  std::chrono::nanoseconds next_back_off();

  Policy policy_;
  State state_ = State::idle;
  Target target_ = Target::next;
  Changes reason_;  // the reason of the present or failed run
  Changes newer_;   // published after its start
  int failures_ = 0;
};

}  // namespace spiffe::process
