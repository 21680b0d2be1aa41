// Listening sockets for the health endpoints.
#pragma once

#include <cstdint>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include "base/fd.hh"
#include "base/result.hh"

namespace spiffe::health {

// A listening socket; its descriptor is non-blocking. The destructor of a Unix socket removes its file,
// unless another file has replaced it.
class Listener {
 public:
  // `address`: an IP address without brackets; "" is every address, IPv6 and IPv4 on one socket, or only IPv4
  // if the system has no IPv6. Port 0: the kernel chooses.
  static Result<Listener> tcp(const std::string& address, std::uint16_t port);
  // Replaces the socket of a process that has ended; anything else at `path` is an error.
  static Result<Listener> unix_socket(const std::string& path, mode_t mode);

  ~Listener();
  Listener(Listener&& other) noexcept;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  Listener& operator=(Listener&&) = delete;

  [[nodiscard]] int fd() const { return fd_.get(); }
  // 0 for a Unix socket.
  [[nodiscard]] std::uint16_t port() const;
  // "[::]:8081", "127.0.0.1:8081", "/run/health.sock".
  [[nodiscard]] std::string name() const;

 private:
  explicit Listener(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace spiffe::health
