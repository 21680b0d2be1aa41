// Why a stream ended, as a kind that decides about the retry. Pure.
#pragma once

#include <string>
#include <string_view>

namespace spiffe::workload {

enum class FailureKind {
  unreachable,       // no server listens at the address, by the result of connect(2)
  no_identity,       // PermissionDenied: attested, but no registration entry matches (yet, or no longer)
  invalid_argument,  // the agent refuses the request itself
  unimplemented,     // the server does not serve the Workload API, or is an older agent
  not_offered,       // the answer contains no identity of the configured kind
  no_room,           // too few threads, descriptors or memory for the first connection of this process
  transient,         // everything else, including the end of the stream
};

// How a stream ended: a gRPC status code and the agent's text.
struct StreamEnd {
  int code = 0;  // grpc::StatusCode
  std::string message;
  // errno if no connection was tried because the system refuses this process a resource, which `message`
  // names.
  int lack = 0;
  bool first = false;  // no connection was ever tried before
};

struct Failure {
  FailureKind kind = FailureKind::transient;
  std::string cause;  // "PermissionDenied: no identity issued", escaped
  std::string hint;   // what to try next, or ""
};

// The meaning of a gRPC status (Workload Endpoint, section 6 and appendix A). `connect_error` is errno of a
// connect(2) on a Unix socket just now, 0 if a server listens; it replaces gRPC's text, which hides the
// reason. explain() adds hints that depend on this machine.
[[nodiscard]] Failure classify(const StreamEnd& end, int connect_error, std::string_view address);

// gRPC's status codes by the names that Go prints ("PermissionDenied"), since people search logs for them.
[[nodiscard]] std::string_view code_name(int code);

}  // namespace spiffe::workload
