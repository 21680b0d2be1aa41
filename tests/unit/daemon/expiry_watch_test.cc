#include "daemon/expiry_watch.hh"

#include <chrono>
#include <string>

#include "support/catch.hh"
#include "unit/process/processes.hh"

using namespace std::chrono_literals;
using spiffe::daemon::ExpiryWatch;
namespace process = spiffe::process;

namespace {

struct Bench {
  process::TempDir dir;
  process::CapturedLog log{dir};
  std::unique_ptr<spiffe::Loop> loop = std::move(*spiffe::Loop::create());
  ExpiryWatch watch{*loop};

  [[nodiscard]] int told(const std::string& words) const {
    const std::string all = log.text();
    int count = 0;
    for (auto at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) ++count;
    return count;
  }
};

}  // namespace

// What is on disk is looked at every few seconds, and the watch told of it each time.
TEST_CASE("rule 17: an expiry is told of once, however often that identity is found on disk") {
  Bench bench;
  const auto now = spiffe::wall_now();
  for (int i = 0; i < 3; ++i) bench.watch.watch("spiffe://example.org/a", now - 60s, now - 1s);
  CHECK(bench.told("has expired") == 1);
  bench.watch.watch("spiffe://example.org/a", now - 60s, now - 2s);
  CHECK(bench.told("has expired") == 2);
}

TEST_CASE("rule 17: an overdue renewal is told of once, and again for the next identity") {
  Bench bench;
  const auto now = spiffe::wall_now();
  for (int i = 0; i < 3; ++i) bench.watch.watch("spiffe://example.org/a", now - 900s, now + 100s);
  CHECK(bench.told("has not been renewed") == 1);
  bench.watch.watch("spiffe://example.org/a", now, now + 1000s);
  bench.watch.watch("spiffe://example.org/a", now - 900s, now + 101s);
  CHECK(bench.told("has not been renewed") == 2);
}
