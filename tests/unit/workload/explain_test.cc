#include "workload/explain.hh"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include "support/catch.hh"
#include "support/temp_dir.hh"

using namespace spiffe::workload;
using spiffe::Endpoint;
using spiffe::test::TempDir;

namespace {

Endpoint socket_at(const std::string& path) {
  return Endpoint::parse("unix://" + path).value();
}

}  // namespace

TEST_CASE("a missing socket: the hint distinguishes a missing mount from an agent that does not run") {
  const TempDir dir;
  const auto alone = explain({14, "x"}, socket_at(dir.path() + "/a.sock"));
  CHECK(alone.kind == FailureKind::unreachable);
  CHECK(alone.cause ==
        "cannot reach the agent at unix://" + dir.path() + "/a.sock: no such file or directory");
  CHECK(alone.hint.starts_with("its directory is there: is the agent running"));
  const auto unmounted = explain({14, "x"}, socket_at(dir.path() + "/run/a.sock"));
  CHECK(unmounted.hint == "is the agent's socket directory mounted into this container? of the path only " +
                              dir.path() + " is there");
}

TEST_CASE("a file in place of the socket is described") {
  const TempDir dir;
  std::filesystem::create_directory(dir.path() + "/a.sock");
  const auto failure = explain({14, "x"}, socket_at(dir.path() + "/a.sock"));
  CHECK(failure.cause.ends_with(": connection refused"));
  CHECK(failure.hint.starts_with("it is a directory, not a socket: "));
}

TEST_CASE("a socket without permission: the hint has the user, and the file's owner and mode") {
  const TempDir dir;
  std::ofstream(dir.path() + "/a.sock") << "";
  const auto failure = explain_connect(EACCES, socket_at(dir.path() + "/a.sock"));
  CHECK(failure.cause.ends_with(": permission denied"));
  CHECK(failure.hint.starts_with("user " + std::to_string(::geteuid()) + " may not open it (owner "));
}

TEST_CASE("a denied identity: the hint has the attributes that the agent sees") {
  // A tcp address is not probed.
  const auto failure = explain({7, "no identity issued"}, Endpoint::parse("tcp://127.0.0.1:1").value());
  CHECK(failure.kind == FailureKind::no_identity);
  CHECK(failure.hint.find("unix:uid:" + std::to_string(::geteuid()) +
                          ", unix:gid:" + std::to_string(::getegid()) + ", pid " +
                          std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("every other answer of a server has a hint as well") {
  const auto tcp = Endpoint::parse("tcp://127.0.0.1:1").value();
  for (const int code : {1, 2, 3, 4, 8, 12, 13, 14}) CHECK_FALSE(explain({code, "x"}, tcp).hint.empty());
  CHECK(explain({0, ""}, tcp).hint.empty());
}
