#include "health/metrics.hh"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support/catch.hh"
#include "support/temp_dir.hh"

using namespace spiffe;
using namespace spiffe::health;

namespace {

WallTime at(int seconds) {
  return WallTime(std::chrono::seconds(seconds));
}

Status busy() {
  Status status;
  status.version = "1.2.3";
  status.x509 = Output{.state = WriteState::written, .expires = at(1767323045)};
  status.jwt["/certs/t \"1\"\\\n.token"] = {.state = WriteState::written, .expires = at(1767320000)};
  status.jwt["/certs/bundle.json"] = {.state = WriteState::written};
  status.svid_not_after["spiffe://example.org/web"] = at(1767323045);
  status.bundle_not_after["example.org"] = at(1800000000);
  status.bundle_not_after["other.org"] = at(1800000001);
  status.federated_bundles_refused = 2;
  status.count(SignalResult::sent) = 6;
  Updates& x509 = status.of(Kind::x509);
  x509.count(UpdateResult::accepted) = 7;
  x509.count(UpdateResult::refused) = 1;
  x509.last = at(1767319445) + std::chrono::milliseconds(999);
  x509.stream_connected = true;
  x509.stream_reconnects = 3;
  x509.publications = 5;
  x509.write_failures = 4;
  status.of(Kind::jwt).count(UpdateResult::failed) = 9;
  status.child = {.configured = true, .up = true, .starts = 3, .exits = 2};
  status.pid_file.configured = true;
  status.pid_file.count(SignalResult::failed) = 8;
  status.of(HookKind::prepare) = {
      .configured = true, .succeeded = 10, .failed = 11, .failure = "exited with code 3"};
  status.of(HookKind::renew) = {.configured = true, .succeeded = 12};
  return status;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("metrics count events by kind and result") {
  const std::string text = metrics(busy());
  for (const char* line : {
           "# TYPE spiffe_helper_updates_total counter",
           R"(spiffe_helper_build_info{version="1.2.3"} 1)",
           R"(spiffe_helper_svid_not_after_seconds{spiffe_id="spiffe://example.org/web"} 1767323045)",
           R"(spiffe_helper_jwt_svid_not_after_seconds{file="/certs/t \"1\"\\\n.token"} 1767320000)",
           R"(spiffe_helper_bundle_not_after_seconds{trust_domain="other.org"} 1800000001)",
           R"(spiffe_helper_updates_total{kind="x509",result="accepted"} 7)",
           R"(spiffe_helper_updates_total{kind="x509",result="refused"} 1)",
           R"(spiffe_helper_updates_total{kind="jwt",result="failed"} 9)",
           R"(spiffe_helper_last_update_seconds{kind="x509"} 1767319445)",
           R"(spiffe_helper_stream_connected{kind="x509"} 1)",
           R"(spiffe_helper_stream_connected{kind="jwt"} 0)",
           R"(spiffe_helper_stream_reconnects_total{kind="x509"} 3)",
           R"(spiffe_helper_publications_total{kind="x509"} 5)",
           R"(spiffe_helper_write_errors_total{kind="x509"} 4)",
           "spiffe_helper_federated_bundles_refused_total 2",
           "spiffe_helper_identity_denied 0",
           "spiffe_helper_child_up 1",
           "spiffe_helper_child_starts_total 3",
           "spiffe_helper_child_restarts_total 2",
           "spiffe_helper_child_exits_total 2",
           R"(spiffe_helper_signals_total{result="sent"} 6)",
           R"(spiffe_helper_signals_total{result="withheld"} 0)",
           R"(spiffe_helper_pid_file_signals_total{result="sent"} 0)",
           R"(spiffe_helper_pid_file_signals_total{result="failed"} 8)",
           R"(spiffe_helper_hook_runs_total{hook="prepare",result="succeeded"} 10)",
           R"(spiffe_helper_hook_runs_total{hook="prepare",result="failed"} 11)",
           R"(spiffe_helper_hook_runs_total{hook="renew",result="failed"} 0)",
           R"(spiffe_helper_hook_failing{hook="prepare"} 1)",
           R"(spiffe_helper_hook_failing{hook="renew"} 0)",
       }) {
    INFO(line);
    CHECK(has_line(text, line));
  }
}

TEST_CASE("metrics without a value or a configured output are left out") {
  Status status;
  status.of(Kind::bundle);
  const std::string text = metrics(status);
  CHECK(text.find("kind=\"x509\"") == std::string::npos);
  CHECK(text.find("child_up") == std::string::npos);
  CHECK(text.find("hook_") == std::string::npos);
  CHECK(text.find("pid_file") == std::string::npos);
  CHECK(text.find("last_update_seconds{") == std::string::npos);
  CHECK(has_line(text, R"(spiffe_helper_updates_total{kind="bundle",result="accepted"} 0)"));
}

// tests/run.sh names the program; by hand: SPIFFE_PROMTOOL=$(tests/support/promtool.sh).
TEST_CASE("metrics include every identity") {
  Status status = busy();
  const auto web = std::make_shared<Identity>();
  const auto db = std::make_shared<Identity>();
  status.x509_svids = {{"web", web}, {"db", db}};
  web->output.state = WriteState::written;
  web->svid_not_after = {{"spiffe://example.org/web", at(1767323000)}};
  web->bundle_not_after = {{"third.org", at(1800000002)}};
  web->of(HookKind::renew) = {.configured = true, .succeeded = 5, .failure = "exited with code 3"};
  web->count(SignalResult::sent) = 2;
  db->output.state = WriteState::written;
  db->not_offered = true;
  const std::string text = metrics(status);
  for (const char* line : {
           R"(spiffe_helper_x509_svid_written{dir="web"} 1)",
           R"(spiffe_helper_x509_svid_written{dir="db"} 0)",
           R"(spiffe_helper_svid_not_after_seconds{spiffe_id="spiffe://example.org/web"} 1767323000)",
           R"(spiffe_helper_bundle_not_after_seconds{trust_domain="third.org"} 1800000002)",
           R"(spiffe_helper_hook_runs_total{hook="renew",result="succeeded"} 17)",
           R"(spiffe_helper_hook_failing{hook="renew"} 1)",
           R"(spiffe_helper_signals_total{result="sent"} 8)",
       }) {
    INFO(line);
    CHECK(has_line(text, line));
  }
}

TEST_CASE("promtool accepts the metrics") {
  const char* promtool = std::getenv("SPIFFE_PROMTOOL");
  const char* ci = std::getenv("CI");
  if (promtool == nullptr || *promtool == '\0') {
    if (ci != nullptr && std::string(ci) == "true") FAIL("with CI=true SPIFFE_PROMTOOL must name promtool");
    WARN("not checked: SPIFFE_PROMTOOL does not name promtool");
    return;
  }
  const Status status = GENERATE(busy(), Status());
  const spiffe::test::TempDir dir;
  const std::string page = dir.path() + "/page";
  const std::string said = dir.path() + "/said";
  std::ofstream(page) << metrics(status);
  const std::string command =
      "'" + std::string(promtool) + "' check metrics <" + page + " >" + said + " 2>&1";
  const int outcome = std::system(command.c_str());
  std::stringstream output;
  output << std::ifstream(said).rdbuf();
  CHECK(output.str().empty());
  CHECK(outcome == 0);
}
