#include "daemon/publish_queue.hh"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include <linux/magic.h>
#include <sys/vfs.h>

#include "support/catch.hh"
#include "support/temp_dir.hh"
#include "unit/process/processes.hh"

namespace fs = std::filesystem;
using spiffe::Loop;
using spiffe::Result;
using spiffe::SecretBytes;
using spiffe::daemon::Content;
using spiffe::daemon::Group;
using spiffe::daemon::kIdentity;
using spiffe::daemon::PublishQueue;
using spiffe::daemon::single;
using spiffe::output::Change;
using spiffe::test::TempDir;

namespace {

// A queue for one file whose content is a number, and all its callbacks.
struct QueueFixture {
  std::unique_ptr<Loop> loop = std::move(*Loop::create());
  int content = 0;  // 0: no content yet
  std::vector<Change> on_disk;
  std::vector<std::string> locked_out;
  std::map<std::string, std::string> singles;  // content by name
  std::vector<std::pair<std::string, Change>> put;
  std::vector<std::string> failed;
  int withdrawn = 0;                 // number of on_withdrawn
  std::function<void()> then;        // after each publication
  std::function<void()> then_put;    // after each single file
  std::function<void()> when_asked;  // for a single file
  spiffe::BootTime now{};            // for repeated log lines
  spiffe::daemon::SharedDiskWorker disk;
  std::unique_ptr<PublishQueue> queue;

  explicit QueueFixture(const std::string& directory, const std::vector<std::string>& more = {}) {
    std::vector<std::string> names = {"a", "token", "other"};
    names.insert(names.end(), more.begin(), more.end());
    auto created = PublishQueue::create(
        *loop, disk, {.cert_dir = directory, .names = names},
        {.render = [this](const Group& group) -> std::optional<Result<Content>> {
           if (group != kIdentity) return single_file(group.name);
           if (content == 0) return std::nullopt;
           return set(content);
         },
         .on_disk =
             [this](const Group& group, Change change, const auto&) {
               if (group == kIdentity) {
                 on_disk.push_back(change);
                 if (then) then();
               } else {
                 put.emplace_back(group.name, change);
                 if (then_put) then_put();
               }
             },
         .on_failed =
             [this](const Group& group, const spiffe::Error&) {
               failed.push_back(group.name);
               if (then_put) then_put();
             },
         .on_withdrawn = [this] { ++withdrawn; },
         .on_locked_out = [this](const spiffe::Error& error) { locked_out.push_back(error.message); }},
        {}, [this] { return now; });
    REQUIRE(created);
    queue = std::move(*created);
  }

  // The files of the identity; a negative number cannot be encoded.
  static Result<Content> set(int number) {
    if (number < 0) return spiffe::fail("cannot be encoded");
    return of("a", std::to_string(number), false);
  }

  std::optional<Result<Content>> single_file(const std::string& name) {
    if (when_asked) when_asked();
    if (!singles.contains(name)) return std::nullopt;
    return of(name, singles[name], true);
  }

  static Content of(const std::string& name, const std::string& text, bool alone) {
    Content content{.files = {.files = {}, .alone = alone}};
    auto& file = content.files.files.emplace_back();
    file.name = name;
    file.content = SecretBytes(text);
    return content;
  }

  // Starts, and runs the loop until the directory is open.
  void start(PublishQueue::Occasion occasion = PublishQueue::Occasion::launch) {
    queue->start(occasion);
    run_until_idle();
  }

  // Runs the loop until all requests are done.
  void run_until_idle() {
    // A single file without content is rendered as soon as they are.
    queue->request(single(""));
    when_asked = [this] { loop->stop(); };
    loop->run();
    when_asked = nullptr;
  }

  // Runs the loop until `count` single files were reported, written or failed.
  void run_until_put(std::size_t count) {
    then_put = [this, count] {
      if (put.size() + failed.size() == count) loop->stop();
    };
    loop->run();
    then_put = nullptr;
  }

  // Runs the loop until `done` returns true after a publication.
  void run_until(std::function<bool()> done) {
    then = [this, done = std::move(done)] {
      if (done()) loop->stop();
    };
    loop->run();
    then = nullptr;
  }
};

bool in_memory(const std::string& path) {
  struct statfs found{};
  REQUIRE(::statfs(path.c_str(), &found) == 0);
  return found.f_type == TMPFS_MAGIC;
}

std::string read(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("on a memory file system a set is on disk when request() returns") {
  const TempDir dir("/dev/shm");
  QueueFixture fixture(dir.path());
  fixture.start();
  fixture.content = 1;
  fixture.queue->request(kIdentity);
  REQUIRE(fixture.on_disk.size() == 1);
  CHECK(fixture.on_disk[0] == Change::published);
  CHECK(read(dir.path() + "/a") == "1");
}

TEST_CASE("on a disk the worker writes, and requests in the meantime are coalesced to the last state") {
  const TempDir dir("/var/tmp");
  QueueFixture fixture(dir.path());
  fixture.start();
  for (fixture.content = 1; fixture.content < 50; ++fixture.content) fixture.queue->request(kIdentity);
  fixture.queue->request(kIdentity);
  fixture.run_until([&] { return read(dir.path() + "/a") == "50"; });
  CHECK(fixture.on_disk.size() <= 3);
}

TEST_CASE("unchanged content is reported as such") {
  const TempDir dir;
  {
    QueueFixture before(dir.path());
    before.start();
    before.content = 7;
    before.queue->request(kIdentity);
    before.queue->finish([] {});
  }
  QueueFixture fixture(dir.path());
  fixture.start();
  fixture.content = 7;
  fixture.queue->request(kIdentity);
  fixture.queue->request(kIdentity);
  REQUIRE(fixture.on_disk.size() == 2);
  CHECK(fixture.on_disk == std::vector{Change::unchanged, Change::unchanged});
}

TEST_CASE("a directory that is missing at the start is tried again until it is there") {
  const TempDir dir;
  const std::string certs = dir.path() + "/certs";
  QueueFixture fixture(certs);
  fixture.start();
  fixture.content = 1;
  fixture.queue->request(kIdentity);
  CHECK(fixture.on_disk.empty());
  fs::create_directory(certs);
  fixture.run_until([&] { return !fixture.on_disk.empty(); });
  CHECK(read(certs + "/a") == "1");
}

TEST_CASE("another helper's lock is awaited: at the start without a failure, later with one") {
  using Occasion = PublishQueue::Occasion;
  for (const Occasion occasion : {Occasion::launch, Occasion::reload}) {
    const TempDir dir("/dev/shm");
    QueueFixture first(dir.path());
    first.start();
    first.content = 1;
    first.queue->request(kIdentity);
    QueueFixture second(dir.path());
    second.start(occasion);
    second.content = 2;
    second.queue->request(kIdentity);
    CHECK(second.failed.empty() == (occasion == Occasion::launch));
    CHECK(second.on_disk.empty());
    CHECK(read(dir.path() + "/a") == "1");
    first.queue.reset();
    second.run_until([&] { return !second.on_disk.empty(); });
    CHECK(read(dir.path() + "/a") == "2");
    CHECK(second.locked_out.empty());
  }
}

TEST_CASE("a lock that another helper keeps for 30 s ends the wait once") {
  const TempDir dir("/dev/shm");
  QueueFixture first(dir.path());
  first.start();
  first.content = 1;
  first.queue->request(kIdentity);
  QueueFixture second(dir.path());
  second.start();
  second.content = 2;
  const auto look_after = [&](std::chrono::seconds wait) {
    second.now += wait;
    second.queue->request(kIdentity);
    second.run_until_idle();
    return second.locked_out.size();
  };
  CHECK(look_after(std::chrono::seconds(29)) == 0);
  CHECK(look_after(std::chrono::seconds(1)) == 1);
  // A later attempt, by a timer or a message, while the daemon ends.
  CHECK(look_after(std::chrono::seconds(0)) == 1);
  CHECK(second.failed.empty());
  CHECK(read(dir.path() + "/a") == "1");
}

TEST_CASE("finish() removes superseded generations and then calls back") {
  for (const char* parent : {"/dev/shm", "/var/tmp"}) {
    const TempDir dir(parent);
    QueueFixture fixture(dir.path());
    fixture.start();
    fixture.content = 1;
    fixture.queue->request(kIdentity);
    if (fixture.on_disk.empty()) fixture.run_until([] { return true; });
    fixture.content = 2;
    fixture.queue->request(kIdentity);
    if (fixture.on_disk.size() < 2) fixture.run_until([&] { return fixture.on_disk.size() == 2; });
    bool finished = false;
    fixture.queue->finish([&] {
      finished = true;
      fixture.loop->stop();
    });
    if (!finished) fixture.loop->run();
    CHECK(finished);
    int generations = 0;
    for (const auto& entry : fs::directory_iterator(dir.path())) {
      if (entry.path().filename().string().starts_with("..gen.")) ++generations;
    }
    CHECK(generations == 1);
    CHECK(read(dir.path() + "/a") == "2");
  }
}

TEST_CASE("nothing is published after finish(), not even when it is done") {
  for (const char* where : {"/dev/shm", "/var/tmp"}) {
    const TempDir dir(where);
    QueueFixture fixture(dir.path());
    fixture.start();
    fixture.content = 1;
    fixture.queue->request(kIdentity);
    if (fixture.on_disk.empty()) fixture.run_until([] { return true; });
    fixture.queue->finish([&fixture] { fixture.loop->stop(); });
    fixture.loop->run();
    fixture.content = 2;
    fixture.queue->request(kIdentity);
    fixture.queue.reset();  // waits for the worker
    CHECK(read(dir.path() + "/a") == "1");
    CHECK(fixture.on_disk.size() == 1);
  }
}

TEST_CASE("prepared content is published after confirm(), and not after dismiss()") {
  for (const char* parent : {"/dev/shm", "/var/tmp"}) {
    const TempDir dir(parent);
    QueueFixture fixture(dir.path());
    fixture.start();
    fixture.content = 1;
    fixture.queue->request(kIdentity);
    if (fixture.on_disk.empty()) fixture.run_until([] { return true; });
    fixture.queue->prepare([] { return QueueFixture::set(2); });
    fixture.queue->dismiss();
    fixture.queue->request(kIdentity);
    if (fixture.on_disk.size() < 2) fixture.run_until([] { return true; });
    CHECK(fixture.on_disk.back() == Change::unchanged);
    fixture.queue->prepare([] { return QueueFixture::set(3); });
    // A check of the files in the meantime.
    fixture.queue->request(kIdentity);
    if (fixture.on_disk.size() < 3) fixture.run_until([] { return true; });
    CHECK(fixture.on_disk.back() == Change::unchanged);
    CHECK(read(dir.path() + "/a") == "1");
    fixture.content = 3;
    fixture.queue->confirm();
    if (fixture.on_disk.size() < 4) fixture.run_until([] { return true; });
    CHECK(fixture.on_disk.back() == Change::published);
    CHECK(read(dir.path() + "/a") == "3");
  }
}

TEST_CASE("in memory, prepared content is not rendered again") {
  const TempDir dir("/dev/shm");
  QueueFixture fixture(dir.path());
  fixture.start();
  fixture.queue->prepare([] { return QueueFixture::set(1); });
  fixture.content = -1;
  fixture.queue->confirm();
  CHECK(fixture.on_disk == std::vector{Change::published});
  CHECK(read(dir.path() + "/a") == "1");
}

TEST_CASE("content that cannot be encoded is a failed write, once it is requested") {
  const TempDir directory("/dev/shm");
  QueueFixture fixture(directory.path());
  fixture.start();
  fixture.content = 1;
  fixture.queue->request(kIdentity);
  REQUIRE(fixture.on_disk.size() == 1);
  fixture.queue->prepare([] { return QueueFixture::set(-1); });
  CHECK(fixture.failed.empty());
  fixture.content = -1;
  fixture.queue->confirm();
  CHECK(fixture.failed == std::vector<std::string>{""});
  CHECK(fixture.on_disk.size() == 1);
  fixture.content = 2;
  fixture.queue->request(kIdentity);
  REQUIRE(fixture.on_disk.size() == 2);
  CHECK(fixture.on_disk.back() == Change::published);
}

TEST_CASE("single files are published in addition to the set, and each is reported") {
  const TempDir directory("/dev/shm");
  QueueFixture fixture(directory.path());
  fixture.start();
  fixture.singles = {{"token", "t"}, {"other", "o"}};
  fixture.queue->request(single("token"));
  fixture.queue->request(single("other"));
  fixture.run_until_put(2);
  CHECK(fixture.put == std::vector{std::pair(std::string("other"), Change::published),
                                   std::pair(std::string("token"), Change::published)});
  fixture.queue->request(single("token"));
  fixture.run_until_put(3);
  CHECK(fixture.put.back() == std::pair(std::string("token"), Change::unchanged));
  CHECK(fixture.on_disk.empty());
  fixture.singles["token"] = "new";
  fixture.queue->request(single("token"));
  fixture.run_until_put(4);
  CHECK(fixture.put.back() == std::pair(std::string("token"), Change::published));
}

TEST_CASE("a single file that cannot be written is reported, and written once this is possible") {
  const TempDir directory("/dev/shm");
  QueueFixture fixture(directory.path());
  fixture.start();
  fs::create_directory(fs::path(directory.path()) / "token");
  fixture.singles = {{"token", "t"}, {"other", "o"}};
  fixture.queue->request(single("token"));
  fixture.queue->request(single("other"));
  fixture.run_until_put(2);
  CHECK(fixture.failed == std::vector<std::string>{"token"});
  REQUIRE(fixture.put.size() == 1);
  CHECK(fixture.put[0].first == "other");
  fs::remove(fs::path(directory.path()) / "token");
  fixture.queue->request(single("token"));
  fixture.run_until_put(3);
  CHECK(fixture.put.back() == std::pair(std::string("token"), Change::published));
}

TEST_CASE("a failed write is logged every five minutes, and so is its end") {
  const TempDir directory("/dev/shm");
  const spiffe::process::TempDir log_dir;
  const spiffe::process::CapturedLog log(log_dir);
  const auto told = [&](const std::string& words) {
    const std::string all = log.text();
    int count = 0;
    for (auto at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) ++count;
    return count;
  };
  QueueFixture fixture(directory.path());
  fixture.start();
  fs::create_directory(fs::path(directory.path()) / "token");
  fixture.singles = {{"token", "t"}};
  const auto put_after = [&](std::chrono::minutes wait) {
    fixture.now += wait;
    fixture.queue->request(single("token"));
    fixture.run_until_put(fixture.put.size() + fixture.failed.size() + 1);
  };
  for (const int minutes : {0, 4, 1, 4}) put_after(std::chrono::minutes(minutes));
  CHECK(fixture.failed.size() == 4);
  CHECK(told(R"("level":"error")") == 2);
  CHECK(told(R"("for":"5m")") == 1);
  fs::remove(fs::path(directory.path()) / "token");
  put_after(std::chrono::minutes(1));
  CHECK(told(R"("event":"write_restored","lasted":"10m")") == 1);
  put_after(std::chrono::minutes(60));
  CHECK(told(R"("level":"error")") == 2);
}

TEST_CASE("a set does not wait for all single files, and none of them is lost") {
  for (const char* parent : {"/dev/shm", "/var/tmp"}) {
    const TempDir dir(parent);
    std::vector<std::string> names;
    for (int i = 0; i < 64; ++i) names.push_back("t" + std::to_string(i));
    QueueFixture fixture(dir.path(), names);
    fixture.start();
    for (const std::string& name : names) {
      fixture.singles[name] = "content of " + name;
      fixture.queue->request(single(name));
    }
    // After the first one is reported. Then sets follow each other for a while.
    fixture.then_put = [&] {
      if (fixture.put.size() == 1) {
        fixture.loop->post([&] {
          fixture.content = 1;
          fixture.queue->request(kIdentity);
        });
      }
      if (fixture.put.size() == names.size()) fixture.loop->stop();
    };
    std::size_t before_the_set = 0;
    fixture.then = [&] {
      if (fixture.content == 1) before_the_set = fixture.put.size();
      if (fixture.content++ < 40) fixture.queue->request(kIdentity);
    };
    fixture.loop->run();
    CHECK(fixture.on_disk.size() == 40);
    CHECK(before_the_set < 10);
    CHECK(fixture.failed.empty());
    for (const std::string& name : names) CHECK(read(dir.path() + "/" + name) == "content of " + name);
  }
}

TEST_CASE("on a disk a single file is given up for a set once, and written afterwards") {
  const TempDir dir("/var/tmp");
  if (in_memory(dir.path())) return;
  QueueFixture fixture(dir.path());
  fixture.start();
  std::string events;
  fixture.then = [&] { events += 's'; };
  fixture.then_put = [&] {
    events += 't';
    fixture.loop->stop();
  };
  // Requests arrive while the file is written, most likely the first one before it is done. If the loop's
  // thread was too late, the test tries again.
  fixture.when_asked = [&] {
    events += '?';
    fixture.loop->post([&] {
      ++fixture.content;
      fixture.queue->request(kIdentity);
    });
  };
  const std::string large(16UL << 20, 'x');
  for (int attempt = 0; attempt < 20 && !events.ends_with("?s?t"); ++attempt) {
    events.clear();
    fixture.singles["token"] = large + std::to_string(attempt);
    fixture.queue->request(single("token"));
    fixture.loop->run();
    CHECK(read(dir.path() + "/token") == fixture.singles["token"]);
  }
  CHECK(events.ends_with("?s?t"));
}

TEST_CASE("withdrawn files are removed, and come back with the next set") {
  const TempDir directory("/dev/shm");
  QueueFixture fixture(directory.path());
  fixture.start();
  fixture.content = 1;
  fixture.queue->request(kIdentity);
  REQUIRE(fs::exists(fs::path(directory.path()) / "a"));
  fixture.content = 0;
  fixture.queue->withdraw({"a"});
  CHECK_FALSE(fs::exists(fs::path(directory.path()) / "a"));
  CHECK(fixture.withdrawn == 1);
  fixture.queue->withdraw({"a"});
  CHECK(fixture.withdrawn == 1);
  fixture.content = 2;
  fixture.queue->request(kIdentity);
  CHECK(fs::exists(fs::path(directory.path()) / "a"));
}
