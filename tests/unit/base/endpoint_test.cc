#include "base/endpoint.hh"

#include <filesystem>

#include "support/catch.hh"

using spiffe::Endpoint;

namespace {

// The message without the address.
std::string refusal(const std::string& text) {
  const auto endpoint = Endpoint::parse(text);
  if (endpoint) return "accepted as " + endpoint->uri();
  CHECK(endpoint.error().kind == spiffe::ErrorKind::address);
  CHECK_FALSE(endpoint.error().hint.empty());
  const std::string& message = endpoint.error().message;
  CHECK(message.starts_with("address \""));
  return message.substr(message.rfind("\": ") + 3);
}

}  // namespace

TEST_CASE("a unix address is an absolute path and nothing else") {
  for (const std::string text :
       {"unix:///run/agent.sock", "unix:/run/agent.sock", "UNIX:///run/agent.sock", "/run/agent.sock"}) {
    CAPTURE(text);
    const auto endpoint = Endpoint::parse(text);
    REQUIRE(endpoint);
    CHECK(endpoint->kind() == Endpoint::Kind::unix_socket);
    CHECK(endpoint->path() == "/run/agent.sock");
    CHECK(endpoint->uri() == "unix:///run/agent.sock");
    CHECK(endpoint->grpc_target() == "unix:/run/agent.sock");
  }
}

TEST_CASE("a path may contain characters that are special in a URI") {
  const auto endpoint = Endpoint::parse("/run/100%25?#/agent.sock");
  REQUIRE(endpoint);
  CHECK(endpoint->path() == "/run/100%25?#/agent.sock");
  CHECK(endpoint->grpc_target() == "unix:/run/100%2525%3F%23/agent.sock");
}

TEST_CASE("the error about a unix address names what is wrong") {
  CHECK(refusal("unix:") == "a unix address needs a path");
  CHECK(refusal("unix://") == "a unix address has no authority: the path begins with a third slash");
  CHECK(refusal("unix:///") == "a unix address needs the path of a socket");
  CHECK(refusal("unix:run/agent.sock") == "the path of a unix address must be absolute");
  CHECK(refusal("unix://run/agent.sock") ==
        "a unix address has no authority: the path begins with a third slash");
  CHECK(refusal("unix://user@/run/agent.sock") == "a unix address has no user info");
  CHECK(refusal("unix:///run/agent.sock?x=1") == "a unix address has no query");
  CHECK(refusal("unix:///run/agent.sock#x") == "a unix address has no fragment");
  CHECK(refusal("unix:///run/agent%20.sock") == "percent-encoding is not allowed in the path");
  CHECK(refusal("unix:///" + std::string(200, 'a')) == "a socket path has at most 107 bytes");
}

TEST_CASE("a tcp address is an IP literal and a port and nothing else") {
  const auto v4 = Endpoint::parse("tcp://127.0.0.1:8000");
  REQUIRE(v4);
  CHECK(v4->kind() == Endpoint::Kind::tcp);
  CHECK(v4->host() == "127.0.0.1");
  CHECK(v4->port() == 8000);
  CHECK(v4->uri() == "tcp://127.0.0.1:8000");
  CHECK(v4->grpc_target() == "ipv4:127.0.0.1:8000");
  const auto v6 = Endpoint::parse("tcp://[2001:db8::1]:65535");
  REQUIRE(v6);
  CHECK(v6->host() == "2001:db8::1");
  CHECK(v6->uri() == "tcp://[2001:db8::1]:65535");
  CHECK(v6->grpc_target() == "ipv6:[2001:db8::1]:65535");
}

TEST_CASE("the error about a tcp address names what is wrong") {
  CHECK(refusal("tcp:127.0.0.1:80") == "a tcp address is written tcp://IP:port");
  CHECK(refusal("tcp://127.0.0.1") == "a tcp address needs a port");
  CHECK(refusal("tcp://127.0.0.1:") == "a tcp address needs a port");
  CHECK(refusal("tcp://[::1]") == "a tcp address needs a port");
  CHECK(refusal("tcp://[::1") == "the bracket is not closed");
  CHECK(refusal("tcp://[::1]x:80") == "a tcp address needs a port");
  CHECK(refusal("tcp://localhost:80") == "the host must be an IP address, not a name");
  CHECK(refusal("tcp://:80") == "the host must be an IP address, not a name");
  CHECK(refusal("tcp://1.2.3:80") == "the host must be an IP address, not a name");
  CHECK(refusal("tcp://[127.0.0.1]:80") == "the host must be an IP address, not a name");
  CHECK(refusal("tcp://::1:80") == "an IPv6 address is written in brackets");
  CHECK(refusal("tcp://127.0.0.1:80/") == "a tcp address has no path");
  CHECK(refusal("tcp://127.0.0.1:80/path") == "a tcp address has no path");
  CHECK(refusal("tcp://127.0.0.1:80?x") == "a tcp address has no query");
  CHECK(refusal("tcp://127.0.0.1:80#x") == "a tcp address has no fragment");
  CHECK(refusal("tcp://user@127.0.0.1:80") == "a tcp address has no user info");
  for (const std::string port : {"0", "65536", "99999999999", "-1", "+1", "http", "80x", " 80"}) {
    CHECK(refusal("tcp://127.0.0.1:" + port) == "the port must be a number from 1 to 65535");
  }
}

TEST_CASE("other schemes of an address are refused by name") {
  CHECK(refusal("https://example.org") == "the scheme must be unix or tcp, not https");
  CHECK(refusal("dns:///agent:80") == "the scheme must be unix or tcp, not dns");
  CHECK(refusal("npipe:spire-agent") == "the scheme must be unix or tcp, not npipe");
  CHECK(refusal("ipv4:127.0.0.1:80") == "the scheme must be unix or tcp, not ipv4");
  CHECK(refusal("localhost:8081") == "the scheme must be unix or tcp, not localhost");
  CHECK(refusal("127.0.0.1:8081") == "the scheme must be unix or tcp, not 127.0.0.1");
  CHECK(refusal("") == "is empty");
  CHECK(refusal(std::string("/run\0x", 6)) == "holds a NUL byte");
  for (const char* text :
       {"/run/agent.sock\n", "unix:///run/agent.sock\n", "\t/run/agent.sock", "/run/\x7F"}) {
    CHECK(refusal(text) == "holds a control character");
  }
}

TEST_CASE("a bare path may be relative to the working directory") {
  const auto endpoint = Endpoint::parse("run/agent.sock");
  REQUIRE(endpoint);
  CHECK(endpoint->path() == std::filesystem::current_path().string() + "/run/agent.sock");
  CHECK(Endpoint::parse("./odd:name.sock")->path().ends_with("/./odd:name.sock"));
  CHECK(refusal("/" + std::string(107, 'a')) == "a socket path has at most 107 bytes");
  CHECK(Endpoint::parse("/" + std::string(106, 'a')));
}

TEST_CASE("an address in an error is escaped") {
  CHECK(Endpoint::parse("tcp://a\n:1").error().message ==
        "address \"tcp://a\\n:1\": holds a control character");
}

TEST_CASE("of a list, the first entry with a supported scheme is used") {
  CHECK(Endpoint::parse_list("https://x,tcp://127.0.0.1:1,unix:///p")->uri() == "tcp://127.0.0.1:1");
  CHECK(Endpoint::parse_list("unix:///p")->uri() == "unix:///p");
  CHECK(Endpoint::parse_list(",,unix:///p,")->uri() == "unix:///p");
  CHECK_FALSE(Endpoint::parse_list("tcp://localhost:1,unix:///p"));  // a supported scheme, but invalid
  CHECK(Endpoint::parse_list("https://x").error().message ==
        "address \"https://x\": none of its entries has the scheme unix or tcp");
  CHECK_FALSE(Endpoint::parse_list(""));
}

TEST_CASE("addresses are compared as parsed") {
  CHECK(*Endpoint::parse("unix:/p") == *Endpoint::parse("/p"));
  CHECK(*Endpoint::parse("/p") != *Endpoint::parse("/q"));
}
