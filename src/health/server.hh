// The HTTP server for the probes and the metrics, on the daemon's loop.
//
// One request per connection: the answer closes it. So there are no idle connections and no pipelining, and
// one deadline covers the whole connection.
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

// Loop thread only.
class Server {
 public:
  struct Tcp {
    std::string address;  // "" = all, IPv6 and IPv4
    std::uint16_t port = 8081;
  };
  struct Options {
    std::optional<Tcp> tcp = Tcp();
    std::string unix_socket = {};  // "" = none
    // As open as a port; restrict access by the mode of the directory.
    mode_t unix_socket_mode = 0666;
    // A path that ends in '/' matches everything below it, as in Go; the longest match answers.
    std::string liveness_path = "/live";
    std::string readiness_path = "/ready";
    std::string metrics_path = {};  // "" = none
    std::size_t header_bytes = 8192;
    std::size_t body_bytes = 4096;  // read and ignored
    ConnectionLimits connections = {};
  };

  // Listens. `status` is read at each request and must outlive the server, as must the loop. Sends libevent's
  // warnings to the log (debug). The error names the address that could not be bound.
  static Result<std::unique_ptr<Server>> start(Loop& loop, const Status& status, Options options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The addresses, for the log: "[::]:8081", "/run/health.sock".
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
