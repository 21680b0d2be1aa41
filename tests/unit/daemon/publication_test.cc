#include "daemon/publication.hh"

#include <filesystem>
#include <fstream>
#include <map>
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
using spiffe::output::File;
using spiffe::output::FileSet;
using spiffe::test::TempDir;

namespace {

// A publication of one file whose content is a number, and everything it reports.
struct Bench {
  std::unique_ptr<Loop> loop = std::move(*Loop::create());
  int content = 0;  // 0: there is nothing to publish yet
  std::vector<std::pair<Change, bool>> on_disk;
  std::vector<std::string> locked_out;
  std::map<std::string, std::string> singles;  // their contents
  std::vector<std::pair<std::string, Change>> put;
  std::vector<std::string> failed;
  std::function<void()> then;      // after each report
  std::function<void()> then_put;  // after each single file
  std::function<bool()> approve = [] { return true; };
  std::unique_ptr<Publication> publication;

  explicit Bench(const std::string& directory, const std::vector<std::string>& more = {}) {
    std::vector<std::string> names = {"a", "token", "other"};
    names.insert(names.end(), more.begin(), more.end());
    auto created = Publication::create(
        *loop, {.cert_dir = directory, .names = names},
        {.render = [this]() -> std::optional<Result<FileSet>> {
           if (content == 0) return std::nullopt;
           FileSet set;
           auto& file = set.files.emplace_back();
           file.name = "a";
           file.content = SecretBytes(std::to_string(content));
           return set;
         },
         .approve = [this] { return approve(); },
         .on_disk =
             [this](Change change, bool first) {
               on_disk.emplace_back(change, first);
               if (then) then();
             },
         .single = [this](const std::string& name) -> std::optional<File> {
           if (!singles.contains(name)) return std::nullopt;
           File file;
           file.name = name;
           file.content = SecretBytes(singles[name]);
           return file;
         },
         .on_single =
             [this](const std::string& name, Change change) {
               put.emplace_back(name, change);
               if (then_put) then_put();
             },
         .on_failed = [this](const std::string& name, const spiffe::Error&) { failed.push_back(name); },
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

TEST_CASE("what is not approved is not published, and is no failure to write") {
  const TempDir directory("/dev/shm");
  Bench bench(directory.path());
  bench.publication->start();
  bench.content = 1;
  bench.publication->request();
  REQUIRE(bench.on_disk.size() == 1);
  bench.content = 2;
  bench.approve = [&] {
    bench.content = 1;  // as render() does from then on
    return false;
  };
  bench.publication->request();
  CHECK(bench.on_disk.size() == 1);
  bench.approve = [] { return true; };
  bench.publication->request();
  REQUIRE(bench.on_disk.size() == 2);
  CHECK(bench.on_disk.back() == std::pair(Change::unchanged, false));
}

TEST_CASE("single files are published beside the set, and each is told of") {
  const TempDir directory("/dev/shm");
  Bench bench(directory.path());
  bench.publication->start();
  bench.singles = {{"token", "t"}, {"other", "o"}};
  bench.publication->put("token");
  bench.publication->put("other");
  REQUIRE(bench.put.size() == 2);
  CHECK(bench.put[0] == std::pair(std::string("token"), Change::published));
  bench.publication->put("token");
  CHECK(bench.put.back() == std::pair(std::string("token"), Change::unchanged));
  CHECK(bench.on_disk.empty());
  bench.singles["token"] = "new";
  bench.publication->put("token");
  CHECK(bench.put.back() == std::pair(std::string("token"), Change::published));
}

TEST_CASE("a single file that cannot be written is told of, and written once it can be") {
  const TempDir directory("/dev/shm");
  Bench bench(directory.path());
  bench.publication->start();
  fs::create_directory(fs::path(directory.path()) / "token");
  bench.singles = {{"token", "t"}, {"other", "o"}};
  bench.publication->put("token");
  bench.publication->put("other");
  CHECK(bench.failed == std::vector<std::string>{"token"});
  REQUIRE(bench.put.size() == 1);
  CHECK(bench.put[0].first == "other");
  fs::remove(fs::path(directory.path()) / "token");
  bench.publication->put("token");
  CHECK(bench.put.back() == std::pair(std::string("token"), Change::published));
}

TEST_CASE("on a disk a set does not wait for all single files, and none of them is forgotten") {
  const TempDir dir("/var/tmp");
  std::vector<std::string> names;
  for (int i = 0; i < 64; ++i) names.push_back("t" + std::to_string(i));
  Bench bench(dir.path(), names);
  bench.publication->start();
  for (const std::string& name : names) {
    bench.singles[name] = "content of " + name;
    bench.publication->put(name);
  }
  bench.content = 1;
  // Once the first has been told of, as many others are being written as will be in one go.
  bench.then_put = [&] {
    if (bench.put.size() == 1) bench.loop->post([&] { bench.publication->request(); });
    if (bench.put.size() == names.size()) bench.loop->stop();
  };
  std::size_t before_the_set = 0;
  bench.then = [&] { before_the_set = bench.put.size(); };
  bench.loop->run();
  CHECK(bench.on_disk.size() == 1);
  CHECK(before_the_set < 10);
  for (const std::string& name : names) CHECK(read(dir.path() + "/" + name) == "content of " + name);
}

TEST_CASE("what is withdrawn is gone, and comes back with the next set") {
  const TempDir directory("/dev/shm");
  Bench bench(directory.path());
  bench.publication->start();
  bench.content = 1;
  bench.publication->request();
  REQUIRE(fs::exists(fs::path(directory.path()) / "a"));
  bench.content = 0;
  bench.publication->withdraw({"a"});
  CHECK_FALSE(fs::exists(fs::path(directory.path()) / "a"));
  bench.content = 2;
  bench.publication->request();
  CHECK(fs::exists(fs::path(directory.path()) / "a"));
}
