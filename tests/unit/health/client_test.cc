#include "health/client.hh"

#include "support/temp_dir.hh"
#include "unit/health/client.hh"

using namespace spiffe;
using namespace spiffe::health::test;
using namespace std::chrono_literals;

namespace {

Endpoint at(std::uint16_t port) {
  auto endpoint = Endpoint::parse("tcp://127.0.0.1:" + std::to_string(port));
  REQUIRE(endpoint);
  return *endpoint;
}

// Listens on a port that the kernel chooses, answers one connection with `answer`, and closes it or keeps it
// open.
class Listening {
 public:
  explicit Listening(std::string answer, bool close = true) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(fd_.get(), any, length) == 0);
    REQUIRE(::listen(fd_.get(), 1) == 0);
    REQUIRE(::getsockname(fd_.get(), any, &length) == 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this, answer = std::move(answer), close] {
      Fd client(::accept(fd_.get(), nullptr, nullptr));
      std::array<char, 4096> buffer{};
      const ssize_t n = ::recv(client.get(), buffer.data(), buffer.size(), 0);
      request = std::string(buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
      ::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      if (!close) ::recv(client.get(), buffer.data(), buffer.size(), 0);  // until the other side closes
    });
  }
  ~Listening() { join(); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  std::uint16_t port = 0;
  std::string request;  // after join()

 private:
  Fd fd_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("the server's answers are read, on a port and on a socket") {
  const spiffe::test::TempDir directory;
  auto options = local();
  options.unix_socket = directory.path() + "/health.sock";
  Running running(options);
  running.on_loop([&] { running.status.x509.emplace(); });
  for (const Endpoint& endpoint : {at(running.port()), Endpoint::parse(options.unix_socket).value()}) {
    const auto live = health::ask(endpoint, "/live", 10s);
    REQUIRE(live);
    CHECK(live->code == 200);
    CHECK(live->reason == "OK");
    CHECK(live->body.starts_with("{\"status\":\"OK\""));
    const auto ready = health::ask(endpoint, "/ready", 0s);
    REQUIRE(ready);
    CHECK(ready->code == 503);
    CHECK(ready->reason == "Service Unavailable");
    CHECK(health::ask(endpoint, "/nothing", 10s)->code == 404);
  }
}

TEST_CASE("an address without a server is reported") {
  std::uint16_t port = 0;
  {
    Running running(local());
    port = running.port();
  }
  const auto refused = health::ask(at(port), "/live", 10s);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::unreachable);
  CHECK(refused.error().message ==
        "nobody answers at tcp://127.0.0.1:" + std::to_string(port) + ": connection refused");

  const spiffe::test::TempDir directory;
  const auto missing = health::ask(Endpoint::parse(directory.path() + "/x.sock").value(), "/live", 10s);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::unreachable);
  CHECK(missing.error().message.ends_with("/x.sock: no such file or directory"));
}

TEST_CASE("an answer that does not come or does not end is awaited until the limit") {
  for (const char* begun : {"", "HTTP/1.1 200 OK\r\n\r\n{"}) {
    Listening silent(begun, false);
    const auto answer = health::ask(at(silent.port), "/live", 50ms);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind == ErrorKind::timed_out);
    CHECK(answer.error().message.ends_with(" within 50ms"));
  }
}

TEST_CASE("an answer that is not HTTP is an error") {
  for (const char* words :
       {"SSH-2.0-OpenSSH\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1\r\n\r\n"}) {
    Listening other(words);
    const auto answer = health::ask(at(other.port), "/live", 10s);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind == ErrorKind::failed);
    CHECK(answer.error().message.ends_with(" is not a health endpoint"));
  }
  Listening mute("");
  const auto answer = health::ask(at(mute.port), "/live", 10s);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().message.ends_with(" closed the connection without an answer"));
}

TEST_CASE("a long body is truncated, and a path cannot inject a header") {
  Listening big("HTTP/1.0 200 OK\r\n\r\n" + std::string(200'000, 'x'));
  const auto answer = health::ask(at(big.port), "/a b\r\nX: y?%", 10s);
  REQUIRE(answer);
  CHECK(answer->body.size() < 65536);
  big.join();
  CHECK(big.request.starts_with("GET /a%20b%0D%0AX:%20y%3F%25 HTTP/1.1\r\nHost: localhost\r\n"));
}
