// The policies that the tests of the supervisor have in common.
#pragma once

#include <chrono>

#include "process/supervisor.hh"

namespace spiffe::process {

inline constexpr BootTime kStart{std::chrono::seconds(1000)};
inline const Exited kExit3{{.code = 3}};

inline constexpr Supervisor::Policy kNone{.on_rotate = OnRotate::none};
inline constexpr Supervisor::Policy kSignal{.on_rotate = OnRotate::signal};
inline constexpr Supervisor::Policy kGuarded{.on_rotate = OnRotate::signal, .deadly = true};
inline constexpr Supervisor::Policy kWithheld{
    .on_rotate = OnRotate::signal, .deadly = true, .withhold = true};
inline constexpr Supervisor::Policy kRestart{.on_rotate = OnRotate::restart};
inline constexpr Supervisor::Policy kLeave{.on_rotate = OnRotate::signal, .leave_at_end = true};
inline constexpr Supervisor::Policy kLeaveGuarded{
    .on_rotate = OnRotate::signal, .deadly = true, .leave_at_end = true};
inline constexpr Supervisor::Policy kTimed{.on_rotate = OnRotate::signal,
                                           .start_timeout = std::chrono::seconds(30)};
inline constexpr Supervisor::Policy kOnFailure{.on_rotate = OnRotate::signal, .restart = Restart::on_failure};
inline constexpr Supervisor::Policy kWrap{.wrap = true, .on_rotate = OnRotate::signal};
inline constexpr Supervisor::Policy kWrapGuarded{
    .wrap = true, .on_rotate = OnRotate::signal, .deadly = true, .withhold = true};
inline constexpr Supervisor::Policy kWrapOnFailure{
    .wrap = true, .on_rotate = OnRotate::signal, .restart = Restart::on_failure};
inline constexpr Supervisor::Policy kWrapAlways{
    .wrap = true, .on_rotate = OnRotate::restart, .restart = Restart::always};

}  // namespace spiffe::process
