// Exit codes of all commands. In wrap mode, run returns the child's.
#pragma once

#include "base/result.hh"

namespace spiffe::cli {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNoIdentity = 3;   // the agent answered PermissionDenied
inline constexpr int kUnreachable = 4;  // no server answers at the agent's address
inline constexpr int kRefused = 5;      // a verification failed
inline constexpr int kTimedOut = 124;   // never by run

[[nodiscard]] constexpr int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return kUsage;
    case ErrorKind::no_identity:
      return kNoIdentity;
    case ErrorKind::unreachable:
      return kUnreachable;
    case ErrorKind::verification:
      return kRefused;
    case ErrorKind::timed_out:
      return kTimedOut;
    default:
      return kFailed;
  }
}

}  // namespace spiffe::cli
