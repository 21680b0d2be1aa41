// The accepted connections. gRPC owns their descriptors; they are recorded here so that faults can shut them
// down.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace spiffe::dev_agent {

class Connections {
 public:
  // Before gRPC takes `fd`.
  void add(int fd);
  // shutdown(2) on every connection that is still open.
  void close_all();
  [[nodiscard]] std::size_t open();
  [[nodiscard]] std::uint64_t accepted() const;

 private:
  void forget_closed();  // mutex_ held

  mutable std::mutex mutex_;
  // fd -> the kernel's cookie of the socket: gRPC closes descriptors without a notification, and their
  // numbers are reused.
  std::map<int, std::uint64_t> sockets_;
  std::uint64_t accepted_ = 0;
};

// "pid 123 uid 0", of the process that connected.
[[nodiscard]] std::string peer(int fd);

}  // namespace spiffe::dev_agent
