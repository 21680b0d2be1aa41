// The agent's address: SPIFFE Workload Endpoint standard, section 4 (Locating the Endpoint), and the bare
// socket path that spiffe-helper has always taken.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hh"

namespace spiffe {

class Endpoint {
 public:
  enum class Kind { unix_socket, tcp };

  // "unix:///p", "unix:/p", "tcp://192.0.2.1:8000", "tcp://[2001:db8::1]:8000", "/p", "p/relative.sock".
  // A relative path is taken against the working directory of the moment. The error (kind config) names the
  // rule that was broken and the address.
  static Result<Endpoint> parse(std::string_view text);

  // SPIFFE_ENDPOINT of the draft: comma-separated URIs, the first with a supported scheme wins.
  static Result<Endpoint> parse_list(std::string_view text);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const std::string& path() const { return path_; }  // unix_socket only; absolute
  [[nodiscard]] const std::string& host() const { return host_; }  // tcp only; an IP without brackets
  [[nodiscard]] std::uint16_t port() const { return port_; }       // tcp only
  // "unix:///run/agent.sock", "tcp://[::1]:80": what SPIFFE_ENDPOINT_SOCKET holds, and logs show.
  [[nodiscard]] std::string uri() const;
  // What gRPC dials: "unix:/run/agent.sock", "ipv4:127.0.0.1:80", "ipv6:[::1]:80": no DNS in any of them.
  [[nodiscard]] std::string grpc_target() const;

  [[nodiscard]] bool operator==(const Endpoint&) const = default;

 private:
  static Result<Endpoint> parse_unix(std::string_view text, std::string_view rest);
  static Result<Endpoint> parse_tcp(std::string_view text, std::string_view rest);

  Kind kind_ = Kind::unix_socket;
  std::string path_;
  std::string host_;
  std::uint16_t port_ = 0;
};

}  // namespace spiffe
