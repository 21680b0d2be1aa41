#include "daemon/expiry_watch.hh"

#include <chrono>
#include <string>

#include "support/catch.hh"
#include "unit/process/processes.hh"

using namespace std::chrono_literals;
using spiffe::daemon::ExpiryWatch;
namespace process = spiffe::process;

namespace {

struct ExpiryFixture : process::LoopFixture {
  process::TempDir dir;
  process::CapturedLog log{dir};
  spiffe::BootTime now{};  // for the repeated log lines
  ExpiryWatch watch{loop(), [this] { return now; }};

  void svid(spiffe::WallTime begin, spiffe::WallTime end) {
    watch.watch("", {spiffe::daemon::kX509Svid, {"spiffe_id", "spiffe://example.org/a"}}, begin, end);
  }
  void token(const std::string& name, spiffe::WallTime begin, spiffe::WallTime end) {
    watch.watch(name, {spiffe::daemon::kJwtSvid, {"path", name}}, begin, end);
  }
  [[nodiscard]] int told(const std::string& words) const {
    const std::string all = log.text();
    int count = 0;
    for (auto at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) ++count;
    return count;
  }
};

}  // namespace

// The files are checked every 10 s, and each check calls watch() again.
TEST_CASE("an expiry is logged once, however often the identity is checked") {
  ExpiryFixture bench;
  const auto now = spiffe::wall_now();
  for (int i = 0; i < 3; ++i) bench.svid(now - 60s, now - 1s);
  CHECK(bench.told("has expired") == 1);
  bench.svid(now - 60s, now - 2s);
  CHECK(bench.told("has expired") == 2);
}

TEST_CASE("an overdue renewal is logged once, and again for the next identity") {
  ExpiryFixture bench;
  const auto now = spiffe::wall_now();
  for (int i = 0; i < 3; ++i) bench.svid(now - 900s, now + 100s);
  CHECK(bench.told("has not been renewed") == 1);
  bench.svid(now, now + 1000s);
  bench.svid(now - 900s, now + 101s);
  CHECK(bench.told("has not been renewed") == 2);
}

TEST_CASE("each token has its own lifetime, and is identified by its file") {
  ExpiryFixture bench;
  const auto now = spiffe::wall_now();
  for (int i = 0; i < 2; ++i) {
    bench.token("a.jwt", now - 60s, now - 1s);
    bench.token("b.jwt", now - 900s, now + 100s);
    bench.svid(now - 60s, now + 1000s);
  }
  CHECK(bench.told("The JWT-SVID on disk has expired") == 1);
  CHECK(bench.told("has not been renewed") == 1);
  CHECK(bench.told("a.jwt") == 1);
  CHECK(bench.told("b.jwt") == 1);
  CHECK(bench.told("X.509") == 0);
}

TEST_CASE("each expiry is logged in time, even that of a token that comes later and expires earlier") {
  ExpiryFixture bench;
  const auto now = spiffe::wall_now();
  bench.svid(now, now + 1h);
  bench.token("a.jwt", now, now + 30ms);
  bench.token("b.jwt", now, now + 20ms);
  bench.token("endless.jwt", now, spiffe::WallTime::max());
  REQUIRE(bench.until([&] { return bench.told("has expired") == 2; }));
  CHECK(bench.told("X.509") == 0);
}

TEST_CASE("the expiry of a kind that is no longer managed is not logged") {
  ExpiryFixture bench;
  const auto now = spiffe::wall_now();
  bench.token("a.jwt", now, now + 10ms);
  bench.watch.forget(spiffe::daemon::kJwtSvid);
  bench.svid(now, now + 20ms);
  REQUIRE(bench.until([&] { return bench.told("X.509-SVID on disk has expired") == 1; }));
  CHECK(bench.told("JWT") == 0);
}

TEST_CASE("an expiry is logged again every five minutes, until there is a valid identity") {
  ExpiryFixture bench;
  const auto now = spiffe::wall_now();
  bench.svid(now - 60s, now - 1s);
  bench.now += 5min;
  bench.svid(now - 60s, now - 2s);
  CHECK(bench.told("has expired") == 2);
  CHECK(bench.told(R"("for":"5m")") == 1);
  bench.svid(now, now + 1000s);
  CHECK(bench.told("is valid again") == 1);
  CHECK(bench.told(R"("lasted":"5m")") == 1);
}
