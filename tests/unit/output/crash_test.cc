// Readers beside a busy publisher, and a publisher that is killed at any time.
#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

namespace {

// Each file spans several pages and has the number at both ends.
FileSet numbered_set(int number) {
  const std::string text =
      std::to_string(number) + '\n' + std::string(9000, 'x') + '\n' + std::to_string(number);
  FileSet set = make_set("");
  for (File& file : set.files) {
    file.content = SecretBytes(text);
    file.mode = 0644;
  }
  return set;
}

// The number in a complete file, else -1.
int number_in(const std::string& content) {
  const std::size_t first = content.find('\n');
  const std::size_t last = content.rfind('\n');
  if (first == std::string::npos || first == last) return -1;
  const std::string head = content.substr(0, first);
  return head == content.substr(last + 1) ? std::stoi(head) : -1;
}

std::string read_at(int directory, const std::string& name) {
  const Fd fd(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC));
  std::string out(20'000, '\0');
  const ssize_t n = fd ? ::read(fd.get(), out.data(), out.size()) : -1;
  out.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  return out;
}

// Whether certificate and key, both read through one resolution of "..data", have the same number. The
// generation stays while 62 more follow. A reader delayed for longer finds it removed and tries again.
// `publication` is the current one.
bool is_pair(const std::string& dir, const std::atomic<int>& publication) {
  for (;;) {
    const int before = publication;
    const Fd snapshot(::open((dir + "/..data").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const int certificate = number_in(read_at(snapshot.get(), "svid.pem"));
    const int key = number_in(read_at(snapshot.get(), "svid_key.pem"));
    if (certificate >= 0 && key >= 0) return certificate == key;
    if (publication - before < 62) return false;
  }
}

[[noreturn]] void publish_until_killed(const std::string& dir, Layout layout) {
  auto publisher = Publisher::create(options_for(dir, layout));
  if (!publisher || !publisher->open()) ::_exit(1);
  for (int number = 1;; ++number) {
    if (!publish(*publisher, numbered_set(number))) ::_exit(2);
  }
}

// Kills a busy publisher after at most 3 ms of work.
void crash_once(const std::string& dir, Layout layout, std::minstd_rand& random) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) publish_until_killed(dir, layout);
  std::this_thread::sleep_for(std::chrono::microseconds(500 + random() % 3000));
  ::kill(pid, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WIFSIGNALED(status));
}

}  // namespace

TEST_CASE("readers see neither half a file nor a mismatched pair during 1,000 publications") {
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    must_publish(publisher, numbered_set(0));
    std::atomic<bool> done = false;
    std::atomic<int> publication = 0;
    std::atomic<int> reads = 0;
    std::atomic<int> torn = 0;
    std::atomic<int> mismatched = 0;
    std::thread reader([&] {
      int last = 0;
      while (!done) {
        for (const std::string& name : kNames) {
          if (number_in(content_of(dir / name)) < 0) ++torn;
        }
        const int now = number_in(content_of(dir / "svid.pem"));
        if (now < last) ++torn;
        last = now;
        if (layout == Layout::snapshot && !is_pair(dir.path(), publication)) ++mismatched;
        ++reads;
      }
    });
    bool published = true;
    for (int number = 1; number <= 1000; ++number) {
      publication = number;
      const auto outcome = publish(publisher, numbered_set(number));
      published = published && outcome && outcome->change == Change::published;
      publisher.tidy(BootClock::now());
    }
    done = true;
    reader.join();
    CHECK(published);
    CHECK(reads > 0);
    CHECK(torn == 0);
    CHECK(mismatched == 0);
  }
}

TEST_CASE("a publisher killed at any time leaves complete files, which the next one takes over") {
  std::minstd_rand random(20260102);
  for (const std::string& base : kMemoryAndDisk) {
    for (const Layout layout : {Layout::snapshot, Layout::files}) {
      const Scratch dir(base);
      {
        Publisher publisher = make_publisher(options_for(dir.path(), layout));
        must_publish(publisher, numbered_set(0));
      }
      for (int round = 0; round < 50; ++round) {
        crash_once(dir.path(), layout, random);
        for (const std::string& name : kNames) CHECK(number_in(content_of(dir / name)) >= 0);
        if (layout == Layout::snapshot) CHECK(is_pair(dir.path(), 0));
      }
      Publisher next = make_publisher(options_for(dir.path(), layout));
      CHECK(must_publish(next, make_set("last")).change == Change::published);
      CHECK(holds_version(dir.path(), "last"));
      next.finish();
      CHECK(entries(dir.path(), "..gen.").size() == (layout == Layout::snapshot ? 1 : 0));
      CHECK(entries(dir.path(), "..tmp.").empty());
    }
  }
}

}  // namespace spiffe::output::test
