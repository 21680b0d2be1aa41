#include "workload/failure.hh"

#include <cerrno>
#include <string>

#include "support/catch.hh"

using spiffe::workload::classify;
using spiffe::workload::code_name;
using spiffe::workload::FailureKind;

TEST_CASE("each status code of a stream's end has its kind") {
  CHECK(classify({3, "x"}, 0, "unix:///s").kind == FailureKind::invalid_argument);
  CHECK(classify({12, "x"}, 0, "unix:///s").kind == FailureKind::unimplemented);
  CHECK(classify({7, "x"}, 0, "unix:///s").kind == FailureKind::no_identity);
  for (const int code : {0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15, 16}) {
    CHECK(classify({code, "x"}, 0, "unix:///s").kind == FailureKind::transient);
  }
}

TEST_CASE("a connect error has priority over the status, and is described") {
  const auto failure = classify({14, "failed to connect to all addresses"}, ENOENT, "unix:///run/a.sock");
  CHECK(failure.kind == FailureKind::unreachable);
  CHECK(failure.cause == "cannot reach the agent at unix:///run/a.sock: no such file or directory");
}

TEST_CASE("a port without a server is recognised by gRPC's text") {
  const std::string text =
      "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to "
      "remote "
      "host: Connection refused";
  const auto failure = classify({14, text}, 0, "tcp://127.0.0.1:1");
  CHECK(failure.kind == FailureKind::unreachable);
  CHECK(failure.cause == "cannot reach the agent at tcp://127.0.0.1:1: connection refused");
  CHECK_FALSE(failure.hint.empty());
  // A server listens, and speaks another protocol.
  CHECK(classify({14, "UNAVAILABLE: Failed parsing HTTP/2"}, 0, "tcp://127.0.0.1:1").kind ==
        FailureKind::transient);
  CHECK(classify({14, text}, 0, "unix:///s").kind == FailureKind::transient);
}

TEST_CASE("the agent's text is escaped") {
  CHECK(classify({7, "no\x1b[31m\nidentity"}, 0, "unix:///s").cause ==
        "PermissionDenied: no\\x1b[31m\\nidentity");
}

TEST_CASE("only a message that is too large refers to our limit") {
  const auto hint = [](const char* message) { return classify({8, message}, 0, "unix:///x").hint; };
  CHECK(
      hint("Received message larger than max (70000000 vs. 67108864)").starts_with("a message over 64 MiB"));
  CHECK(hint("too many streams").empty());
}

TEST_CASE("compressed messages do not mean another service") {
  const auto failure = classify({12, "Compression algorithm 'gzip' is disabled."}, 0, "unix:///s");
  CHECK(failure.kind == FailureKind::transient);
  CHECK(failure.cause.starts_with("the agent sends compressed messages, which are not taken"));
  CHECK_FALSE(failure.hint.empty());
}

TEST_CASE("a regular end of the stream has a cause too") {
  CHECK(classify({0, ""}, 0, "unix:///s").cause == "the agent ended the stream");
}

TEST_CASE("codes have the names that Go prints") {
  CHECK(code_name(1) == "Canceled");
  CHECK(code_name(7) == "PermissionDenied");
  CHECK(code_name(14) == "Unavailable");
  CHECK(code_name(99) == "Unknown");
}

TEST_CASE("a missing resource is reported before the agent's state, with the limit to raise") {
  const auto first =
      classify({.code = 14, .message = "no thread", .lack = EAGAIN, .first = true}, ENOENT, "unix:///s");
  CHECK(first.kind == FailureKind::no_room);
  CHECK(first.cause == "no connection is opened: no thread: resource temporarily unavailable");
  CHECK(first.hint.contains("ulimit -u"));
  const auto later = classify({.code = 14, .message = "no descriptor", .lack = EMFILE}, EMFILE, "unix:///s");
  CHECK(later.kind == FailureKind::transient);
  CHECK(later.cause == "no connection is opened: no descriptor: too many open files");
  CHECK(later.hint.contains("ulimit -n"));
  CHECK(classify({.code = 14, .message = "no memory", .lack = ENOMEM}, 0, "unix:///s")
            .hint.contains("ulimit -v"));
}
