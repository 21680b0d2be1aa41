#include "health/server.hh"

#include "health/answers.hh"
#include "support/temp_dir.hh"
#include "unit/health/client.hh"

using namespace spiffe;
using namespace spiffe::health;
using namespace spiffe::health::test;

namespace {

constexpr auto kOkLine = "HTTP/1.1 200 OK";
constexpr auto kUnavailable = "HTTP/1.1 503 Service Unavailable";
constexpr auto kNotFound = "HTTP/1.1 404 Not Found";
constexpr auto kEmpty = R"({"status":"OK","health":{"file_write_statuses":{"jwt_write_status":{}}}})";

}  // namespace

TEST_CASE("a probe is answered with code, JSON and length, and the connection is closed") {
  Running running(local());
  const std::string answer = get(running.port(), "/live");
  CHECK(status_line(answer) == kOkLine);
  CHECK(has_header(answer, "Content-Type: application/json"));
  CHECK(has_header(answer, "Content-Length: " + std::to_string(std::strlen(kEmpty))));
  CHECK(has_header(answer, "Connection: close"));
  CHECK(answer.find("\r\nDate: ") != std::string::npos);
  CHECK(body(answer) == kEmpty);
}

TEST_CASE("the answer follows the status") {
  Running running(local());
  running.on_loop([&] { running.status.x509.emplace(); });
  CHECK(status_line(get(running.port(), "/live")) == kOkLine);
  const std::string answer = get(running.port(), "/ready");
  CHECK(status_line(answer) == kUnavailable);
  CHECK(body(answer).starts_with(R"({"status":"Service Unavailable")"));
  running.on_loop([&] { running.status.x509 = Output{.state = WriteState::written}; });
  CHECK(status_line(get(running.port(), "/ready")) == kOkLine);
  running.on_loop([&] { running.status.x509 = Output{.state = WriteState::written, .expires = wall_now()}; });
  CHECK(status_line(get(running.port(), "/ready")) == kUnavailable);
}

TEST_CASE("every method is answered like GET, HEAD without the body but with its length") {
  Running running(local());
  for (const std::string method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    INFO(method);
    const std::string answer =
        ask(running.port(), method + " /live HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    CHECK(status_line(answer) == kOkLine);
    CHECK(body(answer) == kEmpty);
  }
  const std::string head = ask(running.port(), "HEAD /live HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(status_line(head) == kOkLine);
  CHECK(has_header(head, "Content-Length: " + std::to_string(std::strlen(kEmpty))));
  CHECK(body(head).empty());
}

TEST_CASE("the query is ignored, escapes are decoded, other paths are not found") {
  Running running(local());
  CHECK(body(get(running.port(), "/live?verbose=1")) == kEmpty);
  CHECK(body(get(running.port(), "/li%76e")) == kEmpty);
  CHECK(body(get(running.port(), "http://other/live")) == kEmpty);
  for (const std::string path : {"/", "/live/", "/LIVE", "/nope", "/live/../ready", "//live"}) {
    INFO(path);
    const std::string answer = get(running.port(), path);
    CHECK(status_line(answer) == kNotFound);
    CHECK(has_header(answer, "Content-Type: text/plain; charset=utf-8"));
    CHECK(has_header(answer, "X-Content-Type-Options: nosniff"));
    CHECK(body(answer) == "404 page not found\n");
  }
  const std::string head = ask(running.port(), "HEAD /nope HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(status_line(head) == kNotFound);
  CHECK(has_header(head, "Content-Length: 19"));
  CHECK(body(head).empty());
}

TEST_CASE("a path that ends in a slash matches all below it, and the longest match answers") {
  auto options = local();
  options.liveness_path = "/";
  options.readiness_path = "/probes/ready/";
  Running running(std::move(options));
  running.on_loop([&] { running.status.x509.emplace(); });
  CHECK(status_line(get(running.port(), "/anything")) == kOkLine);
  CHECK(status_line(get(running.port(), "/probes/ready")) == kOkLine);
  CHECK(status_line(get(running.port(), "/probes/ready/")) == kUnavailable);
  CHECK(status_line(get(running.port(), "/probes/ready/now")) == kUnavailable);
}

TEST_CASE("metrics are served if their path is set, and only there") {
  Running with(local());
  const std::string answer = get(with.port(), "/metrics");
  CHECK(status_line(answer) == kOkLine);
  CHECK(has_header(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  CHECK(body(answer).starts_with("# HELP spiffe_helper_build_info"));
  auto options = local();
  options.metrics_path = "";
  Running without(std::move(options));
  CHECK(status_line(get(without.port(), "/metrics")) == kNotFound);
}

TEST_CASE("HTTP/1.0 is answered, with and without keep-alive") {
  Running running(local());
  CHECK(body(ask(running.port(), "GET /live HTTP/1.0\r\n\r\n")) == kEmpty);
  const std::string kept = ask(running.port(), "GET /live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(body(kept) == kEmpty);
  CHECK(has_header(kept, "Connection: close"));
  CHECK_FALSE(has_header(kept, "Connection: keep-alive"));
}

TEST_CASE("a unix socket answers, with a port or alone") {
  const spiffe::test::TempDir dir;
  const std::string path = dir.path() + "/health.sock";
  auto options = local();
  options.unix_socket = path;
  const bool alone = GENERATE(false, true);
  if (alone) options.tcp.reset();
  {
    Running running(std::move(options));
    CHECK(body(get(path, "/live")) == kEmpty);
    if (!alone) CHECK(body(get(running.port(), "/live")) == kEmpty);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a port in use is an error with a hint") {
  Running running(local());
  auto loop = *Loop::create();
  const Status status;
  auto options = local();
  options.tcp->port = running.port();
  const auto second = Server::start(*loop, status, options);
  REQUIRE_FALSE(second);
  CHECK(second.error().message ==
        "health checks: listen on 127.0.0.1:" + std::to_string(running.port()) + ": address already in use");
  CHECK(second.error().hint == "another process listens there: choose another health_checks.bind_port");
}
