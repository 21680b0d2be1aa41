#include "dev_agent/unix_socket.hh"

#include <filesystem>
#include <fstream>
#include <future>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "support/catch.hh"

using namespace spiffe;
using namespace spiffe::dev_agent;
namespace fs = std::filesystem;

namespace {

struct Directory {
  std::string path;
  Directory() {
    char name[] = "/tmp/dev-agent-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { fs::remove_all(path); }
  [[nodiscard]] std::string file() const { return path + "/s"; }
};

bool connects(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

TEST_CASE("only its owner can use a socket, and its file is removed when it is dropped") {
  const Directory directory;
  const mode_t before = ::umask(0);
  {
    const auto socket = UnixSocket::listen(directory.file());
    REQUIRE(socket);
    CHECK(fs::status(directory.file()).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    CHECK(connects(directory.file()));
  }
  CHECK(::umask(before) == 0);
  CHECK_FALSE(fs::exists(directory.file()));
}

TEST_CASE("a dead agent's socket is replaced") {
  const Directory directory;
  {
    auto dead = UnixSocket::listen(directory.file());
    REQUIRE(dead);
    fs::rename(directory.file(), directory.file() + "2");
  }
  fs::rename(directory.file() + "2", directory.file());
  CHECK_FALSE(connects(directory.file()));
  const auto socket = UnixSocket::listen(directory.file());
  REQUIRE(socket);
  CHECK(connects(directory.file()));
}

TEST_CASE("a live agent's socket, and a file that is not a socket, are kept") {
  const Directory directory;
  const auto live = UnixSocket::listen(directory.file());
  REQUIRE(live);
  CHECK_FALSE(UnixSocket::listen(directory.file()));
  CHECK(connects(directory.file()));
  const std::string other = directory.file() + "2";
  std::ofstream(other) << "precious";
  CHECK(UnixSocket::listen(other).error().message == other + ": something that is not a socket is there");
  CHECK(fs::file_size(other) == 8);
}

TEST_CASE("a path that is too long is refused") {
  CHECK_FALSE(UnixSocket::listen("/" + std::string(200, 'x')));
  CHECK_FALSE(UnixSocket::listen(""));
}

TEST_CASE("connections are passed on until the acceptor is dropped") {
  const Directory directory;
  std::promise<Fd> accepted;
  {
    const auto acceptor = Acceptor::start(UnixSocket::listen(directory.file()).value(),
                                          [&](Fd fd) { accepted.set_value(std::move(fd)); });
    REQUIRE(acceptor);
    CHECK(connects(directory.file()));
    CHECK(accepted.get_future().get());
  }
  CHECK_FALSE(fs::exists(directory.file()));
}
