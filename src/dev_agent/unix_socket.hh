// Listening Unix sockets to which only their owner may connect, and the thread that accepts connections.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include <sys/types.h>

#include "base/fd.hh"
#include "base/result.hh"

namespace spiffe::dev_agent {

// A listening socket, created with mode 0600. The destructor removes its file, unless another file has
// replaced it.
class UnixSocket {
 public:
  // Removes the socket of an agent that has ended. An agent that still answers is an error. Changes the umask
  // temporarily: call it before other threads create files.
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

// Accepts connections on its own thread until it is destroyed. Connections are non-blocking.
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
