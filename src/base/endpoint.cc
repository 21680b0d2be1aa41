#include "base/endpoint.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <iterator>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.hh"

namespace spiffe {

namespace {

constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

std::unexpected<Error> refuse(std::string_view text, std::string_view rule) {
  return fail(ErrorKind::address, "address " + quote(text) + ": " + std::string(rule),
              "write unix:///path/to/agent.sock or tcp://IP:port");
}

Result<std::string> absolute(std::string_view path) {
  if (path.starts_with('/')) return std::string(path);
  std::array<char, PATH_MAX> cwd{};
  if (::getcwd(cwd.data(), cwd.size()) == nullptr) return fail_errno("working directory", errno);
  return std::string(cwd.data()) + "/" + std::string(path);
}

// The scheme of "scheme:rest", or "". Text before a colon that comes before the first slash is always taken
// as a scheme, valid or not ("1.2.3.4:80"): the first segment of a relative path must not contain a colon.
std::string scheme_of(std::string_view text) {
  const std::string_view first = text.substr(0, text.find('/'));
  const std::size_t colon = first.find(':');
  return colon == std::string_view::npos ? std::string() : lower(first.substr(0, colon));
}

bool is_ip(const std::string& host, int family) {
  std::array<unsigned char, sizeof(in6_addr)> raw{};
  return ::inet_pton(family, host.c_str(), raw.data()) == 1;
}

// gRPC parses a target as a URI: encode the characters that would end its path or begin an encoding.
std::string percent_encode(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      fmt::format_to(std::back_inserter(out), "%{:02X}", c);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  if (text.empty()) return refuse(text, "is empty");
  if (text.find('\0') != std::string_view::npos) return refuse(text, "holds a NUL byte");
  // Most likely a line end from a heredoc or from a variable read from a file. No agent listens at such a
  // path.
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (std::ranges::any_of(text, control)) return refuse(text, "holds a control character");
  const std::string scheme = scheme_of(text);
  if (scheme == "unix") return parse_unix(text, text.substr(5));
  if (scheme == "tcp") return parse_tcp(text, text.substr(4));
  if (!scheme.empty()) return refuse(text, "the scheme must be unix or tcp, not " + escape(scheme));
  auto path = absolute(text);
  if (!path) return std::unexpected(path.error());
  if (path->size() > kMaxSocketPath) {
    return refuse(text, "a socket path has at most " + std::to_string(kMaxSocketPath) + " bytes");
  }
  Endpoint endpoint;
  endpoint.path_ = *std::move(path);
  return endpoint;
}

Result<Endpoint> Endpoint::parse_unix(std::string_view text, std::string_view rest) {
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    if (!rest.starts_with('/')) {
      const bool user = rest.substr(0, rest.find('/')).find('@') != std::string_view::npos;
      return refuse(text, user ? "a unix address has no user info"
                               : "a unix address has no authority: the path begins with a third slash");
    }
  }
  if (rest.empty()) return refuse(text, "a unix address needs a path");
  if (!rest.starts_with('/')) return refuse(text, "the path of a unix address must be absolute");
  if (rest.find('?') != std::string_view::npos) return refuse(text, "a unix address has no query");
  if (rest.find('#') != std::string_view::npos) return refuse(text, "a unix address has no fragment");
  if (rest.find('%') != std::string_view::npos)
    return refuse(text, "percent-encoding is not allowed in the path");
  if (rest == "/") return refuse(text, "a unix address needs the path of a socket");
  if (rest.size() > kMaxSocketPath) {
    return refuse(text, "a socket path has at most " + std::to_string(kMaxSocketPath) + " bytes");
  }
  Endpoint endpoint;
  endpoint.path_ = rest;
  return endpoint;
}

Result<Endpoint> Endpoint::parse_tcp(std::string_view text, std::string_view rest) {
  if (!rest.starts_with("//")) return refuse(text, "a tcp address is written tcp://IP:port");
  rest.remove_prefix(2);
  if (rest.find('@') != std::string_view::npos) return refuse(text, "a tcp address has no user info");
  if (rest.find('?') != std::string_view::npos) return refuse(text, "a tcp address has no query");
  if (rest.find('#') != std::string_view::npos) return refuse(text, "a tcp address has no fragment");
  if (rest.find('/') != std::string_view::npos) return refuse(text, "a tcp address has no path");
  const std::size_t colon = rest.rfind(':');
  const bool bracketed = rest.starts_with('[');
  const std::size_t bracket = rest.find(']');
  if (bracketed && bracket == std::string_view::npos) return refuse(text, "the bracket is not closed");
  if (colon == std::string_view::npos || (bracketed && colon != bracket + 1)) {
    return refuse(text, "a tcp address needs a port");
  }
  Endpoint endpoint;
  endpoint.kind_ = Kind::tcp;
  endpoint.host_ = bracketed ? rest.substr(1, bracket - 1) : rest.substr(0, colon);
  if (!is_ip(endpoint.host_, bracketed ? AF_INET6 : AF_INET)) {
    const bool bare_v6 = !bracketed && is_ip(endpoint.host_, AF_INET6);
    return refuse(text, bare_v6 ? "an IPv6 address is written in brackets"
                                : "the host must be an IP address, not a name");
  }
  const std::string_view port = rest.substr(colon + 1);
  unsigned value = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (port.empty()) return refuse(text, "a tcp address needs a port");
  if (error != std::errc{} || end != port.data() + port.size() || value == 0 || value > 65535) {
    return refuse(text, "the port must be a number from 1 to 65535");
  }
  endpoint.port_ = static_cast<std::uint16_t>(value);
  return endpoint;
}

Result<Endpoint> Endpoint::parse_list(std::string_view text) {
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const std::string scheme = scheme_of(item);
    if (scheme == "unix" || scheme == "tcp") return parse(item);
  }
  return refuse(text, "none of its entries has the scheme unix or tcp");
}

std::string Endpoint::uri() const {
  if (kind_ == Kind::unix_socket) return "unix://" + path_;
  const bool v6 = host_.find(':') != std::string::npos;
  return "tcp://" + (v6 ? "[" + host_ + "]" : host_) + ":" + std::to_string(port_);
}

std::string Endpoint::grpc_target() const {
  if (kind_ == Kind::unix_socket) return "unix:" + percent_encode(path_);
  const bool v6 = host_.find(':') != std::string::npos;
  return v6 ? "ipv6:[" + host_ + "]:" + std::to_string(port_) : "ipv4:" + host_ + ":" + std::to_string(port_);
}

}  // namespace spiffe
