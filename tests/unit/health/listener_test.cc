#include "health/listener.hh"

#include <array>
#include <filesystem>
#include <fstream>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support/catch.hh"
#include "support/temp_dir.hh"

using namespace spiffe;
using namespace spiffe::health;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat found{};
  REQUIRE(::lstat(path.c_str(), &found) == 0);
  return found.st_mode & 07777;
}

int connect_v4(std::uint16_t port) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
}

bool have_ipv6() {
  const Fd fd(::socket(AF_INET6, SOCK_STREAM, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  return fd && ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

// Leaves the socket file of a process that died while it listened.
void leave_stale_socket(const std::string& path) {
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
}

}  // namespace

TEST_CASE("without an address all interfaces are served, IPv4 through the same socket") {
  const auto listener = Listener::tcp("", 0);
  REQUIRE(listener);
  CHECK(connect_v4(listener->port()) == 0);
  if (have_ipv6()) CHECK(listener->name() == "[::]:" + std::to_string(listener->port()));
}

TEST_CASE("an address is bound as given, and named") {
  const auto v4 = Listener::tcp("127.0.0.1", 0);
  REQUIRE(v4);
  CHECK(v4->name() == "127.0.0.1:" + std::to_string(v4->port()));
  if (have_ipv6()) {
    const auto v6 = Listener::tcp("::1", 0);
    REQUIRE(v6);
    CHECK(v6->name() == "[::1]:" + std::to_string(v6->port()));
    CHECK(connect_v4(v6->port()) != 0);
  }
}

TEST_CASE("a port is free again as soon as its server is gone") {
  auto first = Listener::tcp("127.0.0.1", 0);
  REQUIRE(first);
  const auto port = first->port();
  {
    const Listener gone = *std::move(first);
  }
  CHECK(Listener::tcp("127.0.0.1", port));
}

TEST_CASE("an address that cannot be bound is named in the error") {
  const auto foreign = Listener::tcp("192.0.2.1", 8081);
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().message ==
        "health checks: listen on 192.0.2.1:8081: cannot assign requested address");
  CHECK(foreign.error().hint == "health_checks.bind_address must be an address of this machine");
  CHECK(Listener::tcp("localhost", 8081).error().message == "health checks: not an IP address: localhost");
  const auto taken = Listener::tcp("", 0);
  const auto again = Listener::tcp("", taken->port());
  REQUIRE_FALSE(again);
  CHECK(again.error().message.ends_with(":" + std::to_string(taken->port()) + ": address already in use"));
}

TEST_CASE("a socket's file has its mode whatever the umask, and is removed at the end") {
  const spiffe::test::TempDir dir;
  const std::string path = dir.path() + "/s";
  const mode_t old = ::umask(GENERATE(0U, 0077U));
  {
    const auto listener = Listener::unix_socket(path, 0660);
    ::umask(old);
    REQUIRE(listener);
    CHECK(mode_of(path) == 0660);
    CHECK(listener->name() == path);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a stale socket is replaced") {
  const spiffe::test::TempDir dir;
  const std::string path = dir.path() + "/s";
  leave_stale_socket(path);
  CHECK(Listener::unix_socket(path, 0600));
}

TEST_CASE("a socket that answers, and a file that is not a socket, are kept") {
  const spiffe::test::TempDir dir;
  const std::string path = dir.path() + "/s";
  const auto first = Listener::unix_socket(path, 0600);
  REQUIRE(first);
  const auto second = Listener::unix_socket(path, 0600);
  REQUIRE_FALSE(second);
  CHECK(second.error().message == "health checks: listen on " + path + ": another process listens there");
  CHECK(std::filesystem::is_socket(path));

  const std::string file = dir.path() + "/file";
  std::ofstream(file) << "precious";
  const auto third = Listener::unix_socket(file, 0600);
  REQUIRE_FALSE(third);
  CHECK(third.error().message ==
        "health checks: listen on " + file + ": something that is not a socket is there");
  CHECK(std::filesystem::file_size(file) == 8);
}

TEST_CASE("a socket whose file was replaced does not remove the new file") {
  const spiffe::test::TempDir dir;
  const std::string path = dir.path() + "/s";
  {
    const auto listener = Listener::unix_socket(path, 0600);
    REQUIRE(listener);
    std::filesystem::rename(path, dir.path() + "/moved");
    leave_stale_socket(path);
  }
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("a path that cannot be a socket is an error that names it") {
  const spiffe::test::TempDir dir;
  CHECK(Listener::unix_socket(dir.path() + "/" + std::string(120, 'x'), 0600)
            .error()
            .message.ends_with("a socket's path has 1 to 107 bytes"));
  CHECK(Listener::unix_socket(dir.path() + "/none/s", 0600).error().message ==
        "health checks: listen on " + dir.path() + "/none/s: no such file or directory");
}
