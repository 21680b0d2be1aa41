// The agent's address: a URI of SPIFFE Workload Endpoint, section 4 (Locating the Endpoint), or a bare socket
// path, which spiffe-helper has always accepted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hh"

namespace spiffe {

class Endpoint {
 public:
  enum class Kind { unix_socket, tcp };

  // Accepts "unix:///p", "unix:/p", "tcp://192.0.2.1:8000", "tcp://[2001:db8::1]:8000", "/p" and
  // "p/relative.sock". A relative path is resolved against the current working directory. The error (kind
  // config) names the broken rule and the address.
  static Result<Endpoint> parse(std::string_view text);

  // The draft's SPIFFE_ENDPOINT: comma-separated URIs, of which the first with a supported scheme is used.
  static Result<Endpoint> parse_list(std::string_view text);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const std::string& path() const { return path_; }  // unix_socket only; absolute
  [[nodiscard]] const std::string& host() const { return host_; }  // tcp only; an IP without brackets
  [[nodiscard]] std::uint16_t port() const { return port_; }       // tcp only
  // "unix:///run/agent.sock" or "tcp://[::1]:80": the form for SPIFFE_ENDPOINT_SOCKET and for logs.
  [[nodiscard]] std::string uri() const;
  // The target for gRPC: "unix:/run/agent.sock", "ipv4:127.0.0.1:80" or "ipv6:[::1]:80". None of them uses
  // DNS.
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
