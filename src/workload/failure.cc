#include "workload/failure.hh"

#include <array>
#include <cerrno>

#include "base/result.hh"
#include "base/text.hh"

namespace spiffe::workload {

namespace {

constexpr std::array<std::string_view, 17> kCodes = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

constexpr int kInvalidArgument = 3;
constexpr int kPermissionDenied = 7;
constexpr int kResourceExhausted = 8;
constexpr int kUnimplemented = 12;
constexpr int kUnavailable = 14;

std::string lack_hint(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files: ulimit -n, LimitNOFILE=";
    case ENOMEM:
      return "raise the limit of memory: ulimit -v, LimitAS=, the container's memory";
    default:
      return "raise the limit of processes, which counts all threads, also the program's: ulimit -u, "
             "LimitNPROC=, TasksMax=, the container's pids limit; or that of memory: ulimit -v";
  }
}

// Why no server listens at a port, from gRPC's text; "" if the text is about something else.
std::string refused_port(const StreamEnd& end) {
  constexpr std::string_view kWords = "Failed to connect to remote host: ";
  const std::size_t at = end.code == kUnavailable ? end.message.rfind(kWords) : std::string::npos;
  return at == std::string::npos ? std::string() : lower(escape(end.message.substr(at + kWords.size())));
}

}  // namespace

std::string_view code_name(int code) {
  return code >= 0 && static_cast<std::size_t>(code) < kCodes.size() ? kCodes[static_cast<std::size_t>(code)]
                                                                     : "Unknown";
}

Failure classify(const StreamEnd& end, int connect_error, std::string_view address) {
  if (end.lack != 0) {
    return {end.first ? FailureKind::no_room : FailureKind::transient,
            "no connection is opened: " + end.message + ": " + errno_text(end.lack), lack_hint(end.lack)};
  }
  if (connect_error != 0) {
    return {FailureKind::unreachable,
            "cannot reach the agent at " + escape(address) + ": " + errno_text(connect_error),
            {}};
  }
  if (const std::string why = refused_port(end); !why.empty() && address.starts_with("tcp:")) {
    return {FailureKind::unreachable, "cannot reach the agent at " + escape(address) + ": " + why,
            "is the agent running, and is that its port? most agents listen on a socket only"};
  }
  if (end.code == 0) return {FailureKind::transient, "the agent ended the stream", {}};
  Failure failure{FailureKind::transient, std::string(code_name(end.code)) + ": " + escape(end.message), {}};
  switch (end.code) {
    case kInvalidArgument:
      failure.kind = FailureKind::invalid_argument;
      failure.hint = "is this the SPIFFE Workload API socket, and not the agent's admin or SDS address?";
      break;
    case kPermissionDenied:
      failure.kind = FailureKind::no_identity;
      break;
    case kUnimplemented:
      // gRPC's text for compression that we do not accept.
      if (end.message.starts_with("Compression algorithm ")) {
        failure.cause = "the agent sends compressed messages, which are not taken: " + escape(end.message);
        failure.hint = "switch compression off in the agent, or in the proxy before it";
        break;
      }
      failure.kind = FailureKind::unimplemented;
      failure.hint = "the server at " + escape(address) + " does not speak the SPIFFE Workload API";
      break;
    case kResourceExhausted:
      // gRPC's text for our own size limit; the agent has other limits.
      if (end.message.find("larger than max") != std::string::npos)
        failure.hint = "a message over 64 MiB is refused: how many trust domains are federated?";
      break;
    default:
      break;
  }
  return failure;
}

}  // namespace spiffe::workload
