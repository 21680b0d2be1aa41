#include "cli/text/stdout.hh"

#include <cerrno>

#include <poll.h>
#include <unistd.h>

#include "cli/text/exit.hh"
#include "cli/text/voice.hh"

namespace spiffe::cli {

Result<void> write_stdout(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      // Another process made the terminal or pipe non-blocking.
      pollfd wait{STDOUT_FILENO, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return cannot_write(errno);
    }
  }
  return {};
}

std::unexpected<Error> cannot_write(int code) {
  return fail_errno("cannot write to standard output", code);
}

int print(std::string_view text) {
  const auto written = write_stdout(text);
  return written ? kOk : report(written.error());
}

}  // namespace spiffe::cli
