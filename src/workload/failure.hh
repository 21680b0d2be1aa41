// Why a stream ended, and what follows from it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace spiffe::workload {

enum class FailureKind {
  unreachable,       // nobody listens at the address (connect(2) said so)
  no_identity,       // PermissionDenied: attested, but no registration entry matches (yet, or any more)
  invalid_argument,  // the agent refuses the request itself
  unimplemented,     // something else than a Workload API listens there, or an older agent
  not_offered,       // the answer holds no identity of the kind that is configured
  no_room,    // this process may not have what its first connection takes: threads, descriptors, memory
  transient,  // everything else, end of stream included: ask again
};

// How a stream ended: a gRPC status code and the agent's words.
struct StreamEnd {
  int code = 0;  // grpc::StatusCode
  std::string message;
  // errno where no connection was tried, because of what the system refuses this process: `message` names it.
  int lack = 0;
  bool first = false;  // and no connection was ever tried
};

struct Failure {
  FailureKind kind = FailureKind::transient;
  std::string cause;  // "PermissionDenied: no identity issued", escaped
  std::string hint;   // the next thing to try, "" where there is none
};

// Rules 7 to 9. `connect_error` is errno of a connect(2) tried just now on a Unix socket, 0 where somebody
// listens; it replaces gRPC's own text, which hides the reason. Hints that need a look at this
// machine are left to explain().
[[nodiscard]] Failure classify(const StreamEnd& end, int connect_error, std::string_view address);

// "PermissionDenied": gRPC's status codes by the names that Go prints, and logs are searched for.
[[nodiscard]] std::string_view code_name(int code);

}  // namespace spiffe::workload
