#include "health/answers.hh"

#include "support/catch.hh"

using namespace std::chrono_literals;
using namespace spiffe;
using namespace spiffe::health;

namespace {

// 2026-01-02T03:04:05Z
const WallTime kNow = WallTime(std::chrono::seconds(1767323045));

Status everything_written() {
  Status status;
  status.x509 = Output{.state = WriteState::written, .expires = kNow + 1h};
  status.jwt["/certs/t.token"] = {.state = WriteState::written, .expires = kNow + 5min};
  status.jwt["/certs/bundle.json"] = {.state = WriteState::written};
  return status;
}

// The answer of the Go helper 0.11.0 with these files.
constexpr auto kGood = R"({"status":"OK","health":{"file_write_statuses":{"x509_write_status":"written",)"
                       R"("jwt_write_status":{"/certs/bundle.json":"written","/certs/t.token":"written"}}}})";

}  // namespace

TEST_CASE("if all is well, both probes answer with the Go helper's bytes") {
  const Status status = everything_written();
  for (const Answer& answer : {liveness(status, kNow), readiness(status, kNow)}) {
    CHECK(answer.code == 200);
    CHECK(answer.body == kGood);
  }
}

TEST_CASE("before the first publication the helper is live and not ready") {
  Status status;
  status.x509.emplace();
  status.jwt["t"];
  const std::string rest = R"("health":{"file_write_statuses":{"x509_write_status":"unwritten",)"
                           R"("jwt_write_status":{"t":"unwritten"}}}})";
  CHECK(liveness(status, kNow).code == 200);
  CHECK(liveness(status, kNow).body == R"({"status":"OK",)" + rest);
  CHECK(readiness(status, kNow).code == 503);
  CHECK(readiness(status, kNow).body == R"({"status":"Service Unavailable",)" + rest);
}

TEST_CASE("outputs that are not configured are not awaited, and X.509 is left out") {
  Status status;
  CHECK(readiness(status, kNow).code == 200);
  status.jwt["/certs/t.token"].state = WriteState::written;
  CHECK(readiness(status, kNow).code == 200);
  CHECK(
      readiness(status, kNow).body ==
      R"({"status":"OK","health":{"file_write_statuses":{"jwt_write_status":{"/certs/t.token":"written"}}}})");
  Status x509_only;
  x509_only.x509 = Output{.state = WriteState::written};
  CHECK(
      readiness(x509_only, kNow).body ==
      R"({"status":"OK","health":{"file_write_statuses":{"x509_write_status":"written","jwt_write_status":{}}}})");
}

TEST_CASE("a failed write of any output fails both probes, a later success restores them") {
  Status status = everything_written();
  Output& output = GENERATE(true, false) ? *status.x509 : status.jwt["/certs/t.token"];
  output.state = WriteState::failed;
  CHECK(liveness(status, kNow).code == 503);
  CHECK(readiness(status, kNow).code == 503);
  CHECK(liveness(status, kNow).body.find(R"("failed")") != std::string::npos);
  output.state = WriteState::written;
  CHECK(liveness(status, kNow).code == 200);
  CHECK(readiness(status, kNow).code == 200);
}

TEST_CASE("readiness fails and names the output when anything on disk expires, liveness does not") {
  const Status status = everything_written();
  CHECK(readiness(status, kNow + 5min - 1ns).code == 200);
  const Answer token = readiness(status, kNow + 5min);
  CHECK(token.code == 503);
  CHECK(token.body ==
        R"({"status":"Service Unavailable","health":{"file_write_statuses":{"x509_write_status":"written",)"
        R"("jwt_write_status":{"/certs/bundle.json":"written","/certs/t.token":"written"}}},)"
        R"("expired":{"/certs/t.token":"2026-01-02T03:09:05Z"}})");
  const Answer both = readiness(status, kNow + 1h);
  CHECK(both.body.ends_with(
      R"("expired":{"x509":"2026-01-02T04:04:05Z","/certs/t.token":"2026-01-02T03:09:05Z"}})"));
  CHECK(liveness(status, kNow + 24h).code == 200);
  CHECK(liveness(status, kNow + 24h).body == kGood);
}

TEST_CASE("a denied identity is reported if the probe fails, but does not fail it while files are valid") {
  Status status = everything_written();
  status.identity_denied = true;
  CHECK(readiness(status, kNow).code == 200);
  CHECK(readiness(status, kNow).body == kGood);
  status.x509->state = WriteState::unwritten;
  CHECK(readiness(status, kNow).code == 503);
  CHECK(readiness(status, kNow).body.ends_with(R"(}}},"identity_denied":true})"));
}

TEST_CASE("the program affects readiness if configured, with the reasons, and never liveness") {
  Status status = everything_written();
  status.child.configured = true;
  const auto reasons = [&status] {
    const Answer answer = readiness(status, kNow);
    const std::size_t at = answer.body.find(R"("program":)");
    CHECK((answer.code == 503) == (at != std::string::npos));
    CHECK(liveness(status, kNow).body == kGood);
    return at == std::string::npos ? "" : answer.body.substr(at);
  };
  CHECK(reasons().empty());  // by default
  CHECK(readiness(status, kNow).body == kGood);
  status.ready_includes_program = true;
  CHECK(reasons() == R"("program":["cmd does not run"]})");
  status.child.up = true;
  CHECK(reasons().empty());
  CHECK(readiness(status, kNow).body == kGood);
  status.child.signal = SignalResult::failed;
  CHECK(reasons() == R"("program":["renew_signal could not be sent to cmd"]})");
  status.child.signal = SignalResult::withheld;
  CHECK(reasons() == R"("program":["renew_signal is withheld: cmd does not handle it"]})");
  status.child.signal = SignalResult::sent;
  CHECK(reasons().empty());
  status.pid_file = {.configured = true, .failed = true};
  status.of(HookKind::prepare) = {
      .key = "prepare_cmd", .configured = true, .failed = 2, .failure = "exited with code 3"};
  status.of(HookKind::renew) = {
      .key = "renew_cmd", .configured = true, .failed = 1, .failure = "cannot be started: \"x\""};
  CHECK(reasons() == R"("program":["renew_signal could not be sent to the process of pid_file_name",)"
                     R"("prepare_cmd exited with code 3","renew_cmd cannot be started: \"x\""]})");
  status.child = {};
  status.pid_file = {};
  status.hooks = {};
  CHECK(reasons().empty());
}

TEST_CASE("paths are escaped as Go escapes them") {
  Status status;
  status.jwt["/certs/b<\b>\"undle.json"] = {.state = WriteState::written, .expires = kNow - 1s};
  const std::string escaped = R"("/certs/b\u003c\b\u003e\"undle.json":)";
  const std::string body = readiness(status, kNow).body;
  CHECK(body.find(R"("jwt_write_status":{)" + escaped) != std::string::npos);
  CHECK(body.find(R"("expired":{)" + escaped) != std::string::npos);
}

TEST_CASE("further identities follow the Go helper's fields, by directory") {
  Status status = everything_written();
  const auto web = std::make_shared<Identity>();
  const auto db = std::make_shared<Identity>();
  status.x509_svids = {{"web", web}, {"db", db}};
  web->output = db->output = {.state = WriteState::written, .expires = kNow + 1h};
  const auto statuses = [](const std::string& of_db) {
    return R"("health":{"file_write_statuses":{"x509_write_status":"written","jwt_write_status":)"
           R"({"/certs/bundle.json":"written","/certs/t.token":"written"},"x509_svids":{"db":")" +
           of_db + R"(","web":"written"}}})";
  };
  CHECK(readiness(status, kNow).body == R"({"status":"OK",)" + statuses("written") + "}");

  db->not_offered = true;
  CHECK(liveness(status, kNow).code == 200);
  CHECK(readiness(status, kNow).code == 503);
  CHECK(readiness(status, kNow).body ==
        R"({"status":"Service Unavailable",)" + statuses("written") + R"(,"not_offered":["db"]})");

  db->not_offered = false;
  db->output.expires = kNow;
  CHECK(readiness(status, kNow).body == R"({"status":"Service Unavailable",)" + statuses("written") +
                                            R"(,"expired":{"x509_svids/db":"2026-01-02T03:04:05Z"}})");

  db->output = {.state = WriteState::failed};
  CHECK(liveness(status, kNow).code == 503);
}

TEST_CASE("hooks and PID files of further identities count if the program does") {
  Status status = everything_written();
  const auto web = std::make_shared<Identity>();
  web->output.state = WriteState::written;
  web->of(HookKind::renew) = {.key = "renew_cmd", .configured = true, .failure = "exited with code 3"};
  status.x509_svids = {{"web", web}};
  CHECK(readiness(status, kNow).code == 200);
  status.ready_includes_program = true;
  CHECK(readiness(status, kNow).code == 503);
  CHECK(readiness(status, kNow)
            .body.ends_with(R"("program":["x509_svids web: renew_cmd exited with code 3"]})"));
}
