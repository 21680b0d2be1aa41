#include "daemon/publication.hh"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "support/catch.hh"
#include "support/temp_dir.hh"

namespace fs = std::filesystem;
using spiffe::Loop;
using spiffe::Result;
using spiffe::SecretBytes;
using spiffe::daemon::Publication;
using spiffe::output::Change;
using spiffe::output::FileSet;
using spiffe::test::TempDir;

namespace {

// A publication of one file whose content is a number, and everything it reports.
struct Bench {
  std::unique_ptr<Loop> loop = std::move(*Loop::create());
  int content = 0;  // 0: there is nothing to publish yet
  std::vector<std::pair<Change, bool>> on_disk;
  std::vector<std::string> locked_out;
  std::function<void()> then;  // after each report
  std::unique_ptr<Publication> publication;

  explicit Bench(const std::string& directory) {
    auto created = Publication::create(
        *loop, {.cert_dir = directory, .names = {"a"}},
        {.render = [this]() -> std::optional<Result<FileSet>> {
           if (content == 0) return std::nullopt;
           FileSet set;
           auto& file = set.files.emplace_back();
           file.name = "a";
           file.content = SecretBytes(std::to_string(content));
           return set;
         },
         .on_disk =
             [this](Change change, bool first) {
               on_disk.emplace_back(change, first);
               if (then) then();
             },
         .on_locked_out = [this](const spiffe::Error& error) { locked_out.push_back(error.message); }});
    REQUIRE(created);
    publication = std::move(*created);
  }

  // Runs the loop until `done` says so after a report.
  void run_until(std::function<bool()> done) {
    then = [this, done = std::move(done)] {
      if (done()) loop->stop();
    };
    loop->run();
    then = nullptr;
  }
};

std::string read(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("on a memory file system a set is on disk when request() returns") {
  const TempDir dir("/dev/shm");
  Bench bench(dir.path());
  bench.publication->start();
  bench.content = 1;
  bench.publication->request();
  REQUIRE(bench.on_disk.size() == 1);
  CHECK(bench.on_disk[0] == std::pair(Change::published, true));
  CHECK(read(dir.path() + "/a") == "1");
}

TEST_CASE("on a disk the worker writes, and requests meanwhile are coalesced to the last state") {
  const TempDir dir("/var/tmp");
  Bench bench(dir.path());
  bench.publication->start();
  for (bench.content = 1; bench.content < 50; ++bench.content) bench.publication->request();
  bench.publication->request();
  bench.run_until([&] { return read(dir.path() + "/a") == "50"; });
  CHECK(bench.on_disk.size() <= 3);
  CHECK(bench.on_disk.front().second);
  CHECK_FALSE(bench.on_disk.back().second);
}

TEST_CASE("unchanged content is reported as such, and counts for the first time in a life") {
  const TempDir dir;
  {
    Bench before(dir.path());
    before.publication->start();
    before.content = 7;
    before.publication->request();
    before.publication->finish([] {});
  }
  Bench bench(dir.path());
  bench.publication->start();
  bench.content = 7;
  bench.publication->request();
  bench.publication->request();
  REQUIRE(bench.on_disk.size() == 2);
  CHECK(bench.on_disk[0] == std::pair(Change::unchanged, true));
  CHECK(bench.on_disk[1] == std::pair(Change::unchanged, false));
}

TEST_CASE("a directory that is missing at the start is tried again until it is there") {
  const TempDir dir;
  const std::string certs = dir.path() + "/certs";
  Bench bench(certs);
  bench.publication->start();
  bench.content = 1;
  bench.publication->request();
  CHECK(bench.on_disk.empty());
  fs::create_directory(certs);
  bench.run_until([&] { return !bench.on_disk.empty(); });
  CHECK(read(certs + "/a") == "1");
}

TEST_CASE("finish() removes superseded generations and then calls back") {
  for (const char* parent : {"/dev/shm", "/var/tmp"}) {
    const TempDir dir(parent);
    Bench bench(dir.path());
    bench.publication->start();
    bench.content = 1;
    bench.publication->request();
    if (bench.on_disk.empty()) bench.run_until([] { return true; });
    bench.content = 2;
    bench.publication->request();
    if (bench.on_disk.size() < 2) bench.run_until([&] { return bench.on_disk.size() == 2; });
    bool finished = false;
    bench.publication->finish([&] {
      finished = true;
      bench.loop->stop();
    });
    if (!finished) bench.loop->run();
    CHECK(finished);
    int generations = 0;
    for (const auto& entry : fs::directory_iterator(dir.path())) {
      if (entry.path().filename().string().starts_with("..gen.")) ++generations;
    }
    CHECK(generations == 1);
    CHECK(read(dir.path() + "/a") == "2");
  }
}
