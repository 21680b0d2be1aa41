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
  ExpiryFixture fixture;
  const auto now = spiffe::wall_now();
  for (int i = 0; i < 3; ++i) fixture.svid(now - 60s, now - 1s);
  CHECK(fixture.told("has expired") == 1);
  fixture.svid(now - 60s, now - 2s);
  CHECK(fixture.told("has expired") == 2);
}

TEST_CASE("an overdue renewal is logged once, and again for the next identity") {
  ExpiryFixture fixture;
  const auto now = spiffe::wall_now();
  for (int i = 0; i < 3; ++i) fixture.svid(now - 900s, now + 100s);
  CHECK(fixture.told("has not been renewed") == 1);
  fixture.svid(now, now + 1000s);
  fixture.svid(now - 900s, now + 101s);
  CHECK(fixture.told("has not been renewed") == 2);
}

TEST_CASE("each token has its own lifetime, and is identified by its file") {
  ExpiryFixture fixture;
  const auto now = spiffe::wall_now();
  for (int i = 0; i < 2; ++i) {
    fixture.token("a.jwt", now - 60s, now - 1s);
    fixture.token("b.jwt", now - 900s, now + 100s);
    fixture.svid(now - 60s, now + 1000s);
  }
  CHECK(fixture.told("The JWT-SVID on disk has expired") == 1);
  CHECK(fixture.told("has not been renewed") == 1);
  CHECK(fixture.told("a.jwt") == 1);
  CHECK(fixture.told("b.jwt") == 1);
  CHECK(fixture.told("X.509") == 0);
}

TEST_CASE("each expiry is logged in time, even that of a token that comes later and expires earlier") {
  ExpiryFixture fixture;
  const auto now = spiffe::wall_now();
  fixture.svid(now, now + 1h);
  fixture.token("a.jwt", now, now + 30ms);
  fixture.token("b.jwt", now, now + 20ms);
  fixture.token("endless.jwt", now, spiffe::WallTime::max());
  REQUIRE(fixture.until([&] { return fixture.told("has expired") == 2; }));
  CHECK(fixture.told("X.509") == 0);
}

TEST_CASE("the expiry of a kind that is no longer managed is not logged") {
  ExpiryFixture fixture;
  const auto now = spiffe::wall_now();
  fixture.token("a.jwt", now, now + 10ms);
  fixture.watch.forget(spiffe::daemon::kJwtSvid);
  fixture.svid(now, now + 20ms);
  REQUIRE(fixture.until([&] { return fixture.told("X.509-SVID on disk has expired") == 1; }));
  CHECK(fixture.told("JWT") == 0);
}

TEST_CASE("those of a kind that are kept are still watched, and not logged again") {
  ExpiryFixture fixture;
  const auto now = spiffe::wall_now();
  fixture.token("a.jwt", now - 60s, now - 1s);
  fixture.token("b.jwt", now, now + 10ms);
  fixture.token("c.jwt", now, now + 10ms);
  fixture.watch.forget(spiffe::daemon::kJwtSvid, {"a.jwt", "c.jwt"});
  fixture.token("a.jwt", now - 60s, now - 1s);
  REQUIRE(fixture.until([&] { return fixture.told("has expired") == 2; }));
  CHECK(fixture.told("path=b.jwt") == 0);
}

TEST_CASE("an expiry is logged again every five minutes, until there is a valid identity") {
  ExpiryFixture fixture;
  const auto now = spiffe::wall_now();
  fixture.svid(now - 60s, now - 1s);
  fixture.now += 5min;
  fixture.svid(now - 60s, now - 2s);
  CHECK(fixture.told("has expired") == 2);
  CHECK(fixture.told(R"("for":"5m")") == 1);
  fixture.svid(now, now + 1000s);
  CHECK(fixture.told("is valid again") == 1);
  CHECK(fixture.told(R"("lasted":"5m")") == 1);
}
