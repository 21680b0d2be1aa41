// Errors as values. Every function that can fail returns Result<T>; exceptions stay inside the adapters of
// third-party code.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spiffe {

// Distinctions that a caller may need to decide on. The text for users is in Error::message.
enum class ErrorKind {
  failed,        // any other error
  usage,         // the command line is wrong
  config,        // the configuration is wrong
  address,       // the address of an agent or of health checks is malformed, or has an unknown scheme
  io,            // a system call on files, sockets or processes failed; Error::sys holds errno
  no_identity,   // the agent answered PermissionDenied
  unreachable,   // nothing answers at the agent's address
  verification,  // an identity, bundle or signature was refused
  locked,        // another helper owns these files
  timed_out,
};

// An error. `message` reads from the outside in ("renew_cmd: reload.sh: permission denied"), begins with a
// lower-case letter and has no final full stop. `hint`, if not empty, names the next thing to try.
struct Error {
  ErrorKind kind = ErrorKind::failed;
  std::string message;
  std::string hint = {};
  int sys = 0;  // errno if a system call failed, else 0
  // Further errors found at the same time, each complete; for example all mistakes in a configuration.
  std::vector<Error> also = {};
};

template <class T = void>
using Result = std::expected<T, Error>;

// Returns `error` with "`outer`: " in front of its message.
[[nodiscard]] Error context(std::string_view outer, Error error);

// The first of `errors`, with the others in `also`. `errors` must not be empty.
[[nodiscard]] Error all_of(std::vector<Error> errors);

[[nodiscard]] std::unexpected<Error> fail(ErrorKind kind, std::string message, std::string hint = {});
[[nodiscard]] inline std::unexpected<Error> fail(std::string message) {
  return fail(ErrorKind::failed, std::move(message));
}
[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(std::move(error));
}

// "`what`: <strerror(code) in lower case>", kind io, sys = code.
[[nodiscard]] std::unexpected<Error> fail_errno(std::string_view what, int code);

// The text of errno `code`, lower case ("permission denied").
[[nodiscard]] std::string errno_text(int code);

}  // namespace spiffe
