// Policies for the tests of the child machine.
#pragma once

#include <chrono>

#include "process/child_machine.hh"

namespace spiffe::process {

inline constexpr BootTime kStart{std::chrono::seconds(1000)};
inline const Exited kExit3{{.code = 3}};

inline constexpr ChildMachine::Policy kNone{.on_rotate = OnRotate::none};
inline constexpr ChildMachine::Policy kSignal{.on_rotate = OnRotate::signal};
inline constexpr ChildMachine::Policy kGuarded{.on_rotate = OnRotate::signal, .deadly = true};
inline constexpr ChildMachine::Policy kWithheld{
    .on_rotate = OnRotate::signal, .deadly = true, .withhold = true};
inline constexpr ChildMachine::Policy kRestart{.on_rotate = OnRotate::restart};
inline constexpr ChildMachine::Policy kLeave{.on_rotate = OnRotate::signal, .leave_at_end = true};
inline constexpr ChildMachine::Policy kLeaveGuarded{
    .on_rotate = OnRotate::signal, .deadly = true, .leave_at_end = true};
inline constexpr ChildMachine::Policy kTimed{.on_rotate = OnRotate::signal,
                                             .start_timeout = std::chrono::seconds(30)};
inline constexpr ChildMachine::Policy kOnFailure{.on_rotate = OnRotate::signal,
                                                 .restart = Restart::on_failure};
inline constexpr ChildMachine::Policy kWrap{.wrap = true, .on_rotate = OnRotate::signal};
inline constexpr ChildMachine::Policy kWrapGuarded{
    .wrap = true, .on_rotate = OnRotate::signal, .deadly = true, .withhold = true};
inline constexpr ChildMachine::Policy kWrapOnFailure{
    .wrap = true, .on_rotate = OnRotate::signal, .restart = Restart::on_failure};
inline constexpr ChildMachine::Policy kWrapAlways{
    .wrap = true, .on_rotate = OnRotate::restart, .restart = Restart::always};

}  // namespace spiffe::process
