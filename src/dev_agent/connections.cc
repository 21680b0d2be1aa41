#include "dev_agent/connections.hh"

#include <fmt/format.h>
#include <sys/socket.h>

namespace spiffe::dev_agent {

namespace {

std::uint64_t cookie_of(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

}  // namespace

void Connections::add(int fd) {
  const std::lock_guard lock(mutex_);
  forget_closed();
  sockets_[fd] = cookie_of(fd);
  ++accepted_;
}

void Connections::close_all() {
  const std::lock_guard lock(mutex_);
  forget_closed();
  for (const auto& [fd, cookie] : sockets_) ::shutdown(fd, SHUT_RDWR);
}

std::size_t Connections::open() {
  const std::lock_guard lock(mutex_);
  forget_closed();
  return sockets_.size();
}

std::uint64_t Connections::accepted() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

void Connections::forget_closed() {
  std::erase_if(sockets_, [](const auto& entry) { return cookie_of(entry.first) != entry.second; });
}

std::string peer(int fd) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return "pid ? uid ?";
  return fmt::format("pid {} uid {}", who.pid, who.uid);
}

}  // namespace spiffe::dev_agent
