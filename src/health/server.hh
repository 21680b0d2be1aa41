// The HTTP server of the probes and the metrics, on the daemon's loop.
//
// One request a connection: the answer closes it. So nothing idles, nothing is pipelined, and a connection
// has one deadline for everything.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hh"
#include "base/result.hh"
#include "health/connections.hh"
#include "health/listener.hh"
#include "health/status.hh"

struct evhttp;
struct evhttp_request;

namespace spiffe::health {

// Lives and works on the loop's thread.
class Server {
 public:
  struct Tcp {
    std::string address;  // "" = all, IPv6 and IPv4
    std::uint16_t port = 8081;
  };
  struct Options {
    std::optional<Tcp> tcp = Tcp();
    std::string unix_socket = {};  // "" = none
    // As open as a port would be; who needs less has the directory's mode.
    mode_t unix_socket_mode = 0666;
    // A path that ends in '/' stands for all below it, as in Go; the longest one that fits answers.
    std::string liveness_path = "/live";
    std::string readiness_path = "/ready";
    std::string metrics_path = {};  // "" = none
    std::size_t header_bytes = 8192;
    std::size_t body_bytes = 4096;  // read, and ignored
    ConnectionLimits connections = {};
  };

  // Listens. `status` is read at each request and must outlive the server, as the loop must. Takes libevent's
  // warnings for the log (debug). The error names what could not be bound.
  static Result<std::unique_ptr<Server>> start(Loop& loop, const Status& status, Options options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Where it listens, for the log: "[::]:8081", "/run/health.sock".
  [[nodiscard]] const std::vector<Listener>& listeners() const { return listeners_; }
  [[nodiscard]] std::size_t open_connections() { return connections_.count(); }

 private:
  Server(const Status& status, Options options);
  Result<void> listen(Loop& loop);
  Result<void> accept_on(Loop& loop, Listener listener);
  void answer(evhttp_request* request) const;
  [[nodiscard]] const std::string* path_for(std::string_view path) const;

  const Status& status_;
  const Options options_;
  Connections connections_;
  std::vector<Listener> listeners_;
  evhttp* http_ = nullptr;
};

}  // namespace spiffe::health
