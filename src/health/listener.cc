#include "health/listener.hh"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "health/socket_address.hh"

namespace spiffe::health {

namespace {

constexpr int kBacklog = 128;

std::string shown(const std::string& address, std::uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address.empty() ? "[::]" : address, v6 ? "]" : "", port);
}

// The hint for an error of bind(2).
std::string hint_for(int code) {
  switch (code) {
    case EADDRINUSE:
      return "another process listens there: choose another health_checks.bind_port";
    case EACCES:
      return "ports below 1024 need privileges: choose another health_checks.bind_port";
    case EADDRNOTAVAIL:
      return "health_checks.bind_address must be an address of this machine";
    default:
      return {};
  }
}

Fd new_socket(int family) {
  return Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// A socket bound to `address` and listening, or errno.
std::expected<Fd, int> bound(const SocketAddress& address, socklen_t length) {
  Fd fd = new_socket(address.any.sa_family);
  if (!fd) return std::unexpected(errno);
  const int on = 1;
  const int off = 0;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return std::unexpected(errno);
  if (address.any.sa_family == AF_INET6 &&
      ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) {
    return std::unexpected(errno);
  }
  if (::bind(fd.get(), &address.any, length) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return std::unexpected(errno);
  }
  return fd;
}

std::expected<Fd, int> bound_v6(const in6_addr& ip, std::uint16_t port) {
  return bound({.v6 = {.sin6_family = AF_INET6,
                       .sin6_port = htons(port),
                       .sin6_flowinfo = 0,
                       .sin6_addr = ip,
                       .sin6_scope_id = 0}},
               sizeof(sockaddr_in6));
}

std::expected<Fd, int> bound_v4(const in_addr& ip, std::uint16_t port) {
  return bound({.v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = ip, .sin_zero = {}}},
               sizeof(sockaddr_in));
}

std::expected<Fd, int> bound_everywhere(std::uint16_t port) {
  auto fd = bound_v6(in6addr_any, port);
  // IPv6 is not compiled in, or is disabled.
  if (fd || (fd.error() != EAFNOSUPPORT && fd.error() != EADDRNOTAVAIL)) return fd;
  return bound_v4({.s_addr = htonl(INADDR_ANY)}, port);
}

Result<> remove_stale(const std::string& path, const SocketAddress& address) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno("look at it", errno);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return fail(ErrorKind::io, "something that is not a socket is there",
                "remove it, or choose another path");
  }
  const Fd probe = new_socket(AF_UNIX);
  if (!probe) return fail_errno("socket", errno);
  if (::connect(probe.get(), &address.any, sizeof address.path) == 0 || errno == EAGAIN) {
    return fail(ErrorKind::io, "another process listens there", "choose another health_checks.unix_socket");
  }
  if (errno == ENOENT) return {};
  if (errno != ECONNREFUSED) return fail_errno("connect", errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove the stale socket", errno);
  return {};
}

}  // namespace

Result<Listener> Listener::tcp(const std::string& address, std::uint16_t port) {
  in6_addr v6{};
  in_addr v4{};
  std::expected<Fd, int> fd;
  if (address.empty()) {
    fd = bound_everywhere(port);
  } else if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    fd = bound_v4(v4, port);
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6) == 1) {
    fd = bound_v6(v6, port);
  } else {
    return fail(ErrorKind::config, "health checks: not an IP address: " + address);
  }
  if (fd) return Listener(*std::move(fd));
  return fail({.kind = ErrorKind::io,
               .message = "health checks: listen on " + shown(address, port) + ": " + errno_text(fd.error()),
               .hint = hint_for(fd.error()),
               .sys = fd.error()});
}

Result<Listener> Listener::unix_socket(const std::string& path, mode_t mode) {
  const std::string what = "health checks: listen on " + path;
  SocketAddress address{};
  address.path.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.path.sun_path) {
    return fail(ErrorKind::config, what + ": a socket's path has 1 to " +
                                       std::to_string(sizeof address.path.sun_path - 1) + " bytes");
  }
  std::memcpy(address.path.sun_path, path.data(), path.size());
  if (auto removed = remove_stale(path, address); !removed) return fail(context(what, removed.error()));
  Fd fd = new_socket(AF_UNIX);
  if (!fd) return fail_errno(what, errno);
  // The file gets the socket's mode minus the umask, so it is never more open than intended, not even for a
  // moment. The second call restores the bits that the umask removed.
  if (::fchmod(fd.get(), mode) != 0) return fail_errno(what + ": set the mode", errno);
  if (::bind(fd.get(), &address.any, sizeof address.path) != 0) return fail_errno(what, errno);
  Listener self(std::move(fd));
  struct stat made{};
  if (::lstat(path.c_str(), &made) == 0) {
    self.path_ = path;
    self.device_ = made.st_dev;
    self.inode_ = made.st_ino;
  }
  if (::chmod(path.c_str(), mode) != 0) return fail_errno(what + ": set the mode", errno);
  if (::listen(self.fd(), kBacklog) != 0) return fail_errno(what, errno);
  return self;
}

Listener::Listener(Listener&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, "")),
      device_(other.device_),
      inode_(other.inode_) {}

Listener::~Listener() {
  struct stat found{};
  if (!path_.empty() && ::lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ &&
      found.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

std::uint16_t Listener::port() const {
  SocketAddress address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd_.get(), &address.any, &length) != 0) return 0;
  if (address.any.sa_family == AF_INET) return ntohs(address.v4.sin_port);
  if (address.any.sa_family == AF_INET6) return ntohs(address.v6.sin6_port);
  return 0;
}

std::string Listener::name() const {
  if (!path_.empty()) return path_;
  SocketAddress address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd_.get(), &address.any, &length) != 0) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* ip = &address.v4.sin_addr;
  if (address.any.sa_family == AF_INET6) ip = &address.v6.sin6_addr;
  ::inet_ntop(address.any.sa_family, ip, text.data(), text.size());
  return shown(text.data(), port());
}

}  // namespace spiffe::health
