// A program that watches a file's path holds the inode of a superseded generation, and is notified of the
// switch at once.
#include <array>
#include <cstring>

#include <sys/inotify.h>
#include <unistd.h>

#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

namespace {

// Watches the file that a path leads to now, for these events.
class PathWatch {
 public:
  PathWatch(const std::string& path, std::uint32_t events) : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    REQUIRE(::inotify_add_watch(fd_.get(), path.c_str(), events) >= 0);
  }
  [[nodiscard]] bool heard() const {
    alignas(inotify_event) std::array<char, 4096> buffer;
    return ::read(fd_.get(), buffer.data(), buffer.size()) > 0;
  }

 private:
  Fd fd_;
};

}  // namespace

TEST_CASE("watchers of a file's path are notified of every publication, in all layouts") {
  // The events that systemd's PathChanged= waits for, and those that most libraries report as a modification.
  constexpr std::uint32_t kPathChanged = IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_CLOSE_WRITE;
  constexpr std::uint32_t kModified = IN_MODIFY | IN_DELETE_SELF;
  for (const std::string& base : kMemoryAndDisk) {
    for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
      const Scratch dir(base);
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      must_publish(publisher, make_set("0"));
      for (const char* version : {"1", "2", "3"}) {
        std::vector<PathWatch> watches;
        for (const std::string& name : kNames) {
          watches.emplace_back(dir / name, kPathChanged);
          watches.emplace_back(dir / name, kModified);
        }
        CHECK(must_publish(publisher, make_set(version)).change == Change::published);
        for (const PathWatch& watch : watches) CHECK(watch.heard());
        CHECK(holds_version(dir.path(), version));
      }
      // Unchanged content causes no events.
      const PathWatch quiet(dir / "svid.pem", IN_ALL_EVENTS & ~(IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE));
      CHECK(must_publish(publisher, make_set("3")).change == Change::unchanged);
      CHECK_FALSE(quiet.heard());
    }
  }
}

TEST_CASE("watchers of an earlier run's files are notified of the switch, too") {
  const Scratch dir;
  {
    Publisher first = make_publisher(options_for(dir.path()));
    must_publish(first, make_set("1"));
  }
  const PathWatch watch(dir / "svid_key.pem", IN_ATTRIB);
  Publisher second = make_publisher(options_for(dir.path()));
  must_publish(second, make_set("2"));
  CHECK(watch.heard());
}

TEST_CASE("notifying watchers follows no link out of a generation") {
  const Scratch dir;
  const Scratch outside;
  write(outside / "file", "precious");
  Publisher publisher = make_publisher(options_for(dir.path()));
  const std::string generation = "..gen." + must_publish(publisher, make_set("1")).generation;
  fs::remove(dir / (generation + "/svid.pem"));
  fs::create_symlink(outside / "file", dir / (generation + "/svid.pem"));
  const PathWatch watch(outside / "file", IN_ALL_EVENTS);
  must_publish(publisher, make_set("2"));
  CHECK_FALSE(watch.heard());
}

}  // namespace spiffe::output::test
