// The layouts of plain files, by rename and in place, and changes from one layout to another.
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

TEST_CASE("files layout: plain files, replaced by rename in the order bundle, key, certificate") {
  for (const std::string& base : kMemoryAndDisk) {
    const Scratch dir(base);
    Publisher publisher = make_publisher(options_for(dir.path(), Layout::files));
    CHECK(must_publish(publisher, make_set("1")).change == Change::published);
    CHECK(holds_version(dir.path(), "1"));
    CHECK(entries(dir.path()) ==
          std::vector<std::string>{"..lock", "svid.pem", "svid_bundle.pem", "svid_key.pem"});
    CHECK(link_of(dir / "svid.pem").empty());
    CHECK(mode_of(dir / "svid_key.pem") == 0600);
    CHECK(must_publish(publisher, make_set("1")).change == Change::unchanged);

    const Watcher watcher(dir.path());
    CHECK(must_publish(publisher, make_set("2")).change == Change::published);
    CHECK(watcher.moved_to() == std::vector<std::string>{"svid_bundle.pem", "svid_key.pem", "svid.pem"});
    CHECK(holds_version(dir.path(), "2"));
  }
}

TEST_CASE("files layout: a pair left mismatched by a crash is noticed at the next start") {
  const Scratch dir;
  {
    Publisher publisher = make_publisher(options_for(dir.path(), Layout::files));
    must_publish(publisher, make_set("1"));
  }
  write(dir / "svid_key.pem", "key 2", 0600);
  Publisher publisher = make_publisher(options_for(dir.path(), Layout::files));
  CHECK(must_publish(publisher, make_set("1")).change == Change::published);
  CHECK(holds_version(dir.path(), "1"));
}

TEST_CASE("a missing file and a wrong mode are repaired without new content") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    must_publish(publisher, make_set("1"));
    ::chmod((dir / "svid_key.pem").c_str(), 0666);
    CHECK(must_publish(publisher, make_set("1")).change == Change::repaired);
    CHECK(mode_of(dir / "svid_key.pem") == 0600);
    fs::remove(dir / "svid.pem");
    CHECK(must_publish(publisher, make_set("1")).change == Change::repaired);
    CHECK(holds_version(dir.path(), "1"));
    CHECK(must_publish(publisher, make_set("1")).change == Change::unchanged);
    // Also a wrong mode left by an earlier run.
    ::chmod((dir / "svid.pem").c_str(), 0640);
    publisher = Publisher(make_publisher(options_for(dir.path() + "/nowhere")));
    Publisher next = make_publisher(options_for(dir.path(), layout));
    CHECK(must_publish(next, make_set("1")).change == Change::repaired);
    CHECK(mode_of(dir / "svid.pem") == 0644);
  }
}

TEST_CASE("snapshot layout: a missing link or a damaged generation is repaired") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  const std::string generation = must_publish(publisher, make_set("1")).generation;
  fs::remove(dir / "..data");
  CHECK(must_publish(publisher, make_set("1")).change == Change::repaired);
  CHECK(link_of(dir / "..data") == "..gen." + generation);

  fs::remove(dir / "svid.pem");
  write(dir / "svid.pem", "somebody's own file");
  CHECK(must_publish(publisher, make_set("1")).change == Change::repaired);
  CHECK(link_of(dir / "svid.pem") == "..data/svid.pem");

  fs::remove(dir / ("..gen." + generation + "/svid_key.pem"));
  const Outcome rebuilt = must_publish(publisher, make_set("1"));
  CHECK(rebuilt.change == Change::repaired);
  CHECK(rebuilt.generation != generation);
  fs::remove_all(dir / ("..gen." + rebuilt.generation));
  CHECK(must_publish(publisher, make_set("1")).change == Change::repaired);
  CHECK(holds_version(dir.path(), "1"));
}

TEST_CASE("in-place layout: files keep their inode and symlinks are followed") {
  const Scratch dir;
  fs::create_directory(dir / "elsewhere");
  write(dir / "elsewhere/key", "a key that is longer than the next one", 0600);
  write(dir / "svid.pem", "x");
  fs::create_symlink("elsewhere/key", dir / "svid_key.pem");
  fs::create_symlink("elsewhere/bundle", dir / "svid_bundle.pem");  // dangling so far
  const ino_t inode = stat_of(dir / "svid.pem").st_ino;
  Publisher publisher = make_publisher(options_for(dir.path(), Layout::in_place));
  const Outcome outcome = must_publish(publisher, make_set("1"));
  CHECK(outcome.change == Change::published);
  CHECK(outcome.notices.empty());
  CHECK(holds_version(dir.path(), "1"));
  CHECK(stat_of(dir / "svid.pem").st_ino == inode);
  CHECK(link_of(dir / "svid_key.pem") == "elsewhere/key");
  CHECK(content_of(dir / "elsewhere/bundle") == "bundle 1");
  CHECK(mode_of(dir / "elsewhere/bundle") == 0644);
  CHECK(must_publish(publisher, make_set("1")).change == Change::unchanged);
  CHECK(must_publish(publisher, make_set("2")).change == Change::published);
  CHECK(stat_of(dir / "svid.pem").st_ino == inode);
  CHECK(holds_version(dir.path(), "2"));
}

TEST_CASE("in-place layout: new files have their mode for any umask") {
  const Scratch dir;
  in_child([&] {
    ::umask(0777);
    Publisher publisher = make_publisher(options_for(dir.path(), Layout::in_place));
    must_publish(publisher, make_set("1"));
    return mode_of(dir / "svid.pem") == 0644 && mode_of(dir / "svid_key.pem") == 0600;
  });
}

TEST_CASE("in-place layout: a FIFO without a reader is an error and does not block") {
  const Scratch dir;
  REQUIRE(::mkfifo((dir / "svid.pem").c_str(), 0600) == 0);
  Publisher publisher = make_publisher(options_for(dir.path(), Layout::in_place));
  CHECK_FALSE(publish(publisher, make_set("1")));
}

TEST_CASE("in-place layout: a writable file in a directory that is not writable") {
  if (skipped_without_root()) return;
  const Scratch dir;
  in_child([&] {
    for (const std::string& name : kNames) {
      write(dir / name, "old", name == "svid_key.pem" ? 0600 : 0644);
      REQUIRE(::chown((dir / name).c_str(), 12345, 12345) == 0);
    }
    become(12345, 12345);
    Publisher publisher = make_publisher(options_for(dir.path(), Layout::in_place));
    const Outcome outcome = must_publish(publisher, make_set("1"));
    return holds_version(dir.path(), "1") && has_notice(outcome.notices, "lock_unsupported");
  });
}

TEST_CASE("from snapshot to files: links become files, generations are removed") {
  for (const Layout layout : {Layout::files, Layout::in_place}) {
    for (const std::string version : {"1", "2"}) {
      const Scratch dir;
      {
        Publisher publisher = make_publisher(options_for(dir.path()));
        must_publish(publisher, make_set("0"));
        must_publish(publisher, make_set("1"));
      }
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      REQUIRE(publisher.open());
      CHECK(holds_version(dir.path(), "1"));
      const Outcome outcome = must_publish(publisher, make_set(version));
      CHECK(outcome.change != Change::unchanged);
      CHECK(outcome.notices.empty());
      CHECK(holds_version(dir.path(), version));
      CHECK(entries(dir.path()) ==
            std::vector<std::string>{"..lock", "svid.pem", "svid_bundle.pem", "svid_key.pem"});
      for (const std::string& name : kNames) CHECK(link_of(dir / name).empty());
    }
  }
}

TEST_CASE("from files to snapshot: files become links, without a notice") {
  const Scratch dir;
  {
    Publisher publisher = make_publisher(options_for(dir.path(), Layout::files));
    must_publish(publisher, make_set("1"));
  }
  Publisher publisher = make_publisher(options_for(dir.path()));
  const Outcome outcome = must_publish(publisher, make_set("1"));
  CHECK(outcome.notices.empty());
  for (const std::string& name : kNames) CHECK(link_of(dir / name) == "..data/" + name);
  CHECK(holds_version(dir.path(), "1"));
}

TEST_CASE("plain files can be published beside another publisher's snapshots") {
  const Scratch dir;
  fs::create_directory(dir / "..2026_01_02");
  fs::create_symlink("..2026_01_02", dir / "..data");
  Publisher publisher = make_publisher(options_for(dir.path(), Layout::files));
  must_publish(publisher, make_set("1"));
  publisher.finish();
  CHECK(link_of(dir / "..data") == "..2026_01_02");
}

}  // namespace spiffe::output::test
