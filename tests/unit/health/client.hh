// A server on its own loop, and clients for it.
#pragma once

#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.hh"
#include "base/loop.hh"
#include "health/server.hh"
#include "support/catch.hh"

namespace spiffe::health::test {

// Loopback, a port from the kernel.
inline Server::Options local() {
  return {.tcp = Server::Tcp{.address = "127.0.0.1", .port = 0}, .metrics_path = "/metrics"};
}

class Running {
 public:
  explicit Running(Server::Options options) {
    ::signal(SIGPIPE, SIG_IGN);  // as the helper does
    auto made = Loop::create();
    REQUIRE(made);
    loop_ = *std::move(made);
    auto server = Server::start(*loop_, status, std::move(options));
    if (!server) FAIL(server.error().message);
    server_ = *std::move(server);
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~Running() {
    loop_->post([this] { loop_->stop(); });
    thread_.join();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  // Runs `task` on the loop's thread and waits for it.
  void on_loop(const std::function<void()>& task) {
    std::promise<void> done;
    loop_->post([&] {
      task();
      done.set_value();
    });
    done.get_future().get();
  }
  std::size_t open_connections() {
    std::size_t n = 0;
    on_loop([&] { n = server_->open_connections(); });
    return n;
  }
  [[nodiscard]] Loop& loop() { return *loop_; }
  [[nodiscard]] std::uint16_t port() const { return server_->listeners().front().port(); }

  Status status;  // the loop's thread only

 private:
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

class Client {
 public:
  explicit Client(std::uint16_t port) : Client(AF_INET) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  explicit Client(const std::string& path) : Client(AF_UNIX) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }

  // False if the server has closed the connection.
  [[nodiscard]] bool send(std::string_view text) const {
    while (!text.empty()) {
      const auto n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Everything until the server closes or resets the connection; fails after 10 s.
  [[nodiscard]] std::string read_all() const {
    std::string all;
    std::array<char, 4096> buffer{};
    while (true) {
      REQUIRE(readable(std::chrono::seconds(10)));
      const auto n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (n <= 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }
  [[nodiscard]] bool readable(std::chrono::milliseconds patience) const {
    pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, static_cast<int>(patience.count())) == 1;
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit Client(int family) : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) { REQUIRE(fd_); }
  Fd fd_;
};

// The whole answer to `request`.
template <class Where>
std::string ask(const Where& where, std::string_view request) {
  const Client client(where);
  CHECK(client.send(request));
  return client.read_all();
}

template <class Where>
std::string get(const Where& where, const std::string& target) {
  return ask(where, "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

inline std::string status_line(const std::string& answer) {
  return answer.substr(0, answer.find("\r\n"));
}

inline std::string body(const std::string& answer) {
  const auto end = answer.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : answer.substr(end + 4);
}

inline bool has_header(const std::string& answer, const std::string& header) {
  return answer.substr(0, answer.find("\r\n\r\n") + 2).find("\r\n" + header + "\r\n") != std::string::npos;
}

}  // namespace spiffe::health::test
