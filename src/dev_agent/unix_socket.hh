// Listening Unix sockets that only their owner may connect to, and the thread that accepts.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include <sys/types.h>

#include "base/fd.hh"
#include "base/result.hh"

namespace spiffe::dev_agent {

// A listening socket, mode 0600 from its first moment. Its file goes with it, unless another has taken its
// place.
class UnixSocket {
 public:
  // Removes what a dead agent left; an agent that still answers there is an error. Changes the umask for a
  // moment: call it before there are threads that create files.
  static Result<UnixSocket> listen(const std::string& path);
  ~UnixSocket();
  UnixSocket(UnixSocket&& other) noexcept;
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;
  UnixSocket& operator=(UnixSocket&&) = delete;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  UnixSocket(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Fd fd_;
  std::string path_;
  ino_t inode_ = 0;
};

// Accepts on a thread of its own until it is dropped. Connections are non-blocking.
class Acceptor {
 public:
  static Result<Acceptor> start(UnixSocket socket, std::function<void(Fd)> on_connection);
  ~Acceptor();
  Acceptor(Acceptor&&) = default;
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  Acceptor& operator=(Acceptor&&) = delete;

 private:
  Acceptor(UnixSocket socket, Fd stop) : socket_(std::move(socket)), stop_(std::move(stop)) {}
  UnixSocket socket_;
  Fd stop_;  // eventfd
  std::thread thread_;
};

}  // namespace spiffe::dev_agent
