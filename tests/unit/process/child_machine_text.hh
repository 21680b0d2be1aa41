// The machine's actions and states as text, for its tests.
#pragma once

#include <array>
#include <string>

#include "policies.hh"

namespace spiffe::process {

inline std::string text(const Action& action) {
  struct {
    std::string operator()(const Start&) { return "Start"; }
    std::string operator()(const CheckReady&) { return "CheckReady"; }
    std::string operator()(const Signal& a) { return a.handled ? "Signal" : "Signal(unhandled)"; }
    std::string operator()(const SendStop&) { return "SendStop"; }
    std::string operator()(const Kill&) { return "Kill"; }
    std::string operator()(const EndRest& a) {
      constexpr std::array kForce = {"wait", "stop", "kill"};
      return "EndRest(" + std::string(kForce.at(static_cast<std::size_t>(a.force))) + ")";
    }
    std::string operator()(const ArmTimer& a) {
      return "ArmTimer(" + std::to_string(std::chrono::floor<std::chrono::milliseconds>(a.delay).count()) +
             ")";
    }
    std::string operator()(const CancelTimer&) { return "CancelTimer"; }
    std::string operator()(const ReportExit& a) { return "ReportExit(" + next(a.next) + ")"; }
    std::string operator()(const ReportFailedStart& a) { return "ReportFailedStart(" + next(a.next) + ")"; }
    std::string operator()(const ReportWithheld&) { return "ReportWithheld"; }
    std::string operator()(const ReportTimeout&) { return "ReportTimeout"; }
    std::string operator()(const End& a) {
      return "End(" + std::to_string(a.exit_code) + (a.left ? ", left)" : ")");
    }
    static std::string next(Next next) {
      constexpr std::array kNext = {"next_rotation", "restart", "backoff", "give_up", "end"};
      return kNext.at(static_cast<std::size_t>(next));
    }
  } name;
  return std::visit(name, action);
}

inline std::string text(const ChildMachine& machine) {
  constexpr std::array kStates = {"wait",     "run",     "gone",     "backoff",
                                  "stopping", "killing", "clearing", "ended"};
  const State state = machine.state();
  std::string out = kStates.at(static_cast<std::size_t>(state));
  if (state != State::stopping && state != State::killing && state != State::clearing) return out;
  return out + (machine.target() == Target::start ? "(start)" : "(end)");
}

// "Start -> run": the actions of one event and the state after it. A back-off is shown without its length,
// which Restarts determines.
inline std::string step(ChildMachine& machine, const Event& event, BootTime now) {
  std::string out;
  for (const Action& action : machine.handle(event, now)) {
    const bool backoff = machine.state() == State::backoff && std::holds_alternative<ArmTimer>(action);
    out += (backoff ? "ArmTimer(backoff)" : text(action)) + ' ';
  }
  return out + "-> " + text(machine);
}

// Other members of the child's group are still alive.
inline const Exited kExitLeaving{{.code = 3}, true};

inline const std::string kStop = "SendStop ArmTimer(10000) -> stopping(end)";
inline const std::string kStopToStart = "SendStop ArmTimer(10000) -> stopping(start)";
inline const std::string kGone = "ReportExit(next_rotation) -> gone";
inline const std::string kNotStarted = "ReportFailedStart(next_rotation) -> gone";
inline const std::string kBackoff = "ReportExit(backoff) ArmTimer(backoff) -> backoff";
inline const std::string kBackoffNotStarted = "ReportFailedStart(backoff) ArmTimer(backoff) -> backoff";

inline const std::string kClearEnd = "ArmTimer(10000) EndRest(stop) -> clearing(end)";
inline const std::string kClearStart = "ArmTimer(10000) EndRest(stop) -> clearing(start)";
inline const std::string kKillRest = "ArmTimer(500) EndRest(kill) -> clearing(end)";

}  // namespace spiffe::process
