#include "health/client.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.hh"
#include "base/fd.hh"
#include "health/socket_address.hh"

namespace spiffe::health {

namespace {

constexpr std::size_t kMaxReply = 65536;

// A connection whose operations share one deadline.
class Connection {
 public:
  Connection(const Endpoint& endpoint, std::chrono::nanoseconds limit)
      : endpoint_(endpoint), limit_(limit), deadline_(BootClock::now() + limit) {}

  Result<void> connect() {
    SocketAddress address{};
    const socklen_t length = fill(address);
    fd_ = Fd(::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_) return fail_errno("cannot make a socket", errno);
    if (::connect(fd_.get(), &address.any, length) == 0) return {};
    // EAGAIN means that a Unix socket's backlog is full. The kernel offers no way to wait for room in it.
    if (errno != EINPROGRESS) return unreachable(errno);
    if (auto ready = wait(POLLOUT); !ready) return ready;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    return error == 0 ? Result<void>() : unreachable(error);
  }

  Result<void> send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (n >= 0) {
        text.remove_prefix(static_cast<std::size_t>(n));
      } else if (errno == EAGAIN) {
        if (auto ready = wait(POLLOUT); !ready) return ready;
      } else if (errno != EINTR) {
        return fail_errno("cannot ask " + endpoint_.uri(), errno);
      }
    }
    return {};
  }

  // Reads to the end of the connection.
  Result<std::string> receive() {
    std::string out;
    std::array<char, 4096> buffer{};
    while (out.size() < kMaxReply) {
      const ssize_t n = ::recv(fd_.get(), buffer.data(), std::min(buffer.size(), kMaxReply - out.size()), 0);
      if (n == 0) break;
      if (n > 0) {
        out.append(buffer.data(), static_cast<std::size_t>(n));
      } else if (errno == EAGAIN) {
        if (auto ready = wait(POLLIN); !ready) return fail(ready.error());
      } else if (errno != EINTR) {
        return fail_errno("no answer from " + endpoint_.uri(), errno);
      }
    }
    return out;
  }

 private:
  [[nodiscard]] socklen_t fill(SocketAddress& address) const {
    if (endpoint_.kind() == Endpoint::Kind::unix_socket) {
      // The length of an Endpoint's path was checked.
      address.path.sun_family = AF_UNIX;
      endpoint_.path().copy(address.path.sun_path, sizeof address.path.sun_path - 1);
      return sizeof address.path;
    }
    if (::inet_pton(AF_INET, endpoint_.host().c_str(), &address.v4.sin_addr) == 1) {
      address.v4.sin_family = AF_INET;
      address.v4.sin_port = htons(endpoint_.port());
      return sizeof address.v4;
    }
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(endpoint_.port());
    ::inet_pton(AF_INET6, endpoint_.host().c_str(), &address.v6.sin6_addr);
    return sizeof address.v6;
  }

  [[nodiscard]] std::unexpected<Error> unreachable(int code) const {
    const std::string hint = code == EACCES
                                 ? "can this user reach the socket's directory?"
                                 : "is the helper running, with health_checks in its configuration?";
    return fail(Error{ErrorKind::unreachable,
                      "nobody answers at " + endpoint_.uri() + ": " + errno_text(code), hint, code});
  }

  Result<void> wait(short events) const {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - BootClock::now());
      const bool forever = limit_.count() == 0;
      const auto most = std::chrono::milliseconds(60'000);
      if (!forever && left.count() <= 0) {
        return fail(ErrorKind::timed_out, "no answer from " + endpoint_.uri() + " within " + human(limit_),
                    "a server listens there: is it the helper, and what does its log say?");
      }
      pollfd wait{fd_.get(), events, 0};
      const int n = ::poll(&wait, 1, static_cast<int>(forever ? most.count() : std::min(left, most).count()));
      if (n > 0) return {};
      if (n < 0 && errno != EINTR) return fail_errno("cannot wait for " + endpoint_.uri(), errno);
    }
  }

  const Endpoint& endpoint_;
  std::chrono::nanoseconds limit_;
  BootTime deadline_;
  Fd fd_;
};

// Percent-encodes characters that are not allowed in a request line.
std::string escaped(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F || c == '%' || c == '?' || c == '#') {
      out += fmt::format("%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

Result<Reply> parse(std::string_view text, const Endpoint& endpoint) {
  // "HTTP/1.1 503 Service Unavailable\r\n"
  const std::string_view line = text.substr(0, text.find("\r\n"));
  Reply out;
  const std::string_view code = line.size() >= 12 ? line.substr(9, 3) : std::string_view();
  const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), out.code);
  const std::size_t blank = text.find("\r\n\r\n");
  if (!line.starts_with("HTTP/1.") || code.empty() || error != std::errc{} ||
      end != code.data() + code.size() || blank == std::string_view::npos) {
    return fail(ErrorKind::failed,
                text.empty() ? endpoint.uri() + " closed the connection without an answer"
                             : endpoint.uri() + " is not a health endpoint",
                "is this the address of health_checks?");
  }
  out.reason = line.substr(std::min<std::size_t>(13, line.size()));
  out.body = text.substr(blank + 4);
  return out;
}

}  // namespace

Result<void> probe(const Endpoint& endpoint, std::chrono::nanoseconds limit) {
  return Connection(endpoint, limit).connect();
}

Result<Reply> ask(const Endpoint& endpoint, const std::string& path, std::chrono::nanoseconds limit) {
  Connection connection(endpoint, limit);
  if (auto done = connection.connect(); !done) return fail(done.error());
  const std::string request =
      "GET " + escaped(path) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (auto done = connection.send(request); !done) return fail(done.error());
  const auto answer = connection.receive();
  if (!answer) return fail(answer.error());
  return parse(*answer, endpoint);
}

}  // namespace spiffe::health
