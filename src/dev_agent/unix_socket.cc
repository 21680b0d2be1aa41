#include "dev_agent/unix_socket.hh"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace spiffe::dev_agent {

namespace {

constexpr int kBacklog = 512;
constexpr int kPauseMs = 50;  // if no descriptors are left

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail("a socket's path has 1 to " + std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Fd new_socket() {
  return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

Result<> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode)) return fail("something that is not a socket is there");
  const Fd probe = new_socket();
  if (!probe) return fail_errno("socket", errno);
  if (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN) {
    return fail("somebody listens there already");
  }
  if (errno != ECONNREFUSED) return fail_errno("connect", errno);
  if (::unlink(path.c_str()) != 0) return fail_errno("remove stale socket", errno);
  return {};
}

void accept_until(int listener, int stop, const std::function<void(Fd)>& on_connection) {
  pollfd ready[] = {{listener, POLLIN, 0}, {stop, POLLIN, 0}};
  while (true) {
    if (::poll(ready, 2, -1) < 0 && errno != EINTR) return;
    if (ready[1].revents != 0) return;
    while (true) {
      Fd connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (connection) {
        on_connection(std::move(connection));
        continue;
      }
      if (errno == EMFILE || errno == ENFILE) ::poll(&ready[1], 1, kPauseMs);
      if (errno != ECONNABORTED && errno != EINTR) break;
    }
  }
}

}  // namespace

Result<UnixSocket> UnixSocket::listen(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return fail(context(path, address.error()));
  if (auto removed = remove_stale(path, *address); !removed) return fail(context(path, removed.error()));
  Fd fd = new_socket();
  if (!fd) return fail_errno("socket", errno);
  const mode_t old = ::umask(0177);
  const int bound = ::bind(fd.get(), generic(*address), sizeof *address);
  const int code = errno;
  ::umask(old);
  if (bound != 0) return fail_errno(path + ": bind", code);
  UnixSocket self(std::move(fd), path);
  struct stat made{};
  if (::stat(path.c_str(), &made) == 0) self.inode_ = made.st_ino;
  if (::listen(self.fd(), kBacklog) != 0) return fail_errno(path + ": listen", errno);
  return self;
}

UnixSocket::UnixSocket(UnixSocket&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, "")),
      inode_(std::exchange(other.inode_, 0)) {}

UnixSocket::~UnixSocket() {
  struct stat found{};
  if (inode_ != 0 && ::stat(path_.c_str(), &found) == 0 && found.st_ino == inode_) ::unlink(path_.c_str());
}

Result<Acceptor> Acceptor::start(UnixSocket socket, std::function<void(Fd)> on_connection) {
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return fail_errno("eventfd", errno);
  Acceptor self(std::move(socket), std::move(stop));
  self.thread_ = std::thread([listener = self.socket_.fd(), end = self.stop_.get(),
                              call = std::move(on_connection)] { accept_until(listener, end, call); });
  return self;
}

Acceptor::~Acceptor() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  static_cast<void>(::write(stop_.get(), &one, sizeof one) < 0);
  thread_.join();
}

}  // namespace spiffe::dev_agent
