// One helper per set of names; helpers with other names share a directory without touching each other's
// files.
#include "output/lock.hh"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "output/own_names.hh"
#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

namespace {

PublisherOptions options_with(const std::string& dir, std::vector<std::string> names) {
  PublisherOptions options = options_for(dir);
  options.names = std::move(names);
  return options;
}

FileSet one_file(const std::string& name, const std::string& content) {
  FileSet set;
  set.files.push_back(make_file(name, content));
  return set;
}

}  // namespace

TEST_CASE("a lock file names its holder and the outputs") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  REQUIRE(publisher.open());
  CHECK(content_of(dir / "..lock") == "pid " + std::to_string(::getpid()) +
                                          "\nname svid.pem\nname svid_key.pem\nname svid_bundle.pem\nend\n");
  CHECK(mode_of(dir / "..lock") == 0600);
}

TEST_CASE("a second helper with the same names is refused with the first one's pid") {
  const Scratch dir;
  Publisher first = make_publisher(options_for(dir.path()));
  must_publish(first, make_set("1"));
  {
    Publisher second = make_publisher(options_for(dir.path()));
    const Error error = must_fail(publish(second, make_set("2")));
    CHECK(error.kind == ErrorKind::locked);
    CHECK(error.message == "cannot write " + dir.path() + ": another helper (pid " +
                               std::to_string(::getpid()) + ") writes these files and holds ..lock");
    CHECK_FALSE(second.open());
    CHECK(holds_version(dir.path(), "1"));
  }
  must_publish(first, make_set("3"));
  Publisher third = make_publisher(options_for(dir.path()));
  first = make_publisher(options_for(dir.path() + "/elsewhere"));  // ends the first one
  must_publish(third, make_set("4"));
  CHECK(holds_version(dir.path(), "4"));
}

TEST_CASE("a lock file can be opened again, for any umask") {
  const Scratch dir;
  in_child([&] {
    ::umask(0777);
    Publisher publisher = make_publisher(options_for(dir.path()));
    must_publish(publisher, make_set("1"));
    return mode_of(dir / "..lock") == 0600;
  });
}

TEST_CASE("a lock file of another user is an error with a hint") {
  if (skipped_without_root()) return;
  const Scratch dir;
  write(dir / "..lock", "", 0600);
  REQUIRE(::chmod(dir.path().c_str(), 0777) == 0);
  in_child([&] {
    become(12345, 12345);
    Publisher publisher = make_publisher(options_for(dir.path()));
    const Error error = must_fail(publish(publisher, make_set("1")));
    return error.message == "cannot write " + dir.path() +
                                ": ..lock belongs to uid 0 and cannot be opened: permission denied" &&
           error.hint.starts_with("remove it if no helper of that user");
  });
}

TEST_CASE("a single name in common is refused") {
  const Scratch dir;
  Publisher first = make_publisher(options_for(dir.path()));
  must_publish(first, make_set("1"));
  Publisher second = make_publisher(options_with(dir.path(), {"other.pem", "svid.pem"}));
  CHECK(must_fail(publish(second, one_file("other.pem", "x"))).kind == ErrorKind::locked);
  CHECK(entries(dir.path(), "..lock.").empty());
}

TEST_CASE("helpers with other names share a directory, with a hash of their names") {
  const Scratch dir;
  Publisher first = make_publisher(options_for(dir.path()));
  must_publish(first, make_set("1"));
  const std::vector<std::string> names = {"other.pem"};
  const std::string hash = hash_of_names(names);
  CHECK(hash.size() == 16);
  for (int life = 0; life < 2; ++life) {
    Publisher second = make_publisher(options_with(dir.path(), names));
    const Outcome outcome = must_publish(second, one_file("other.pem", std::to_string(life)));
    CHECK(link_of(dir / "..data." + hash) == "..gen." + hash + "." + outcome.generation);
    CHECK(link_of(dir / "other.pem") == "..data." + hash + "/other.pem");
    CHECK(content_of(dir / "other.pem") == std::to_string(life));
    must_publish(first, make_set(std::to_string(life)));
    first.finish();
    second.finish();
    CHECK(holds_version(dir.path(), std::to_string(life)));
    CHECK(content_of(dir / "other.pem") == std::to_string(life));
    Publisher twin = make_publisher(options_with(dir.path(), names));
    CHECK(must_fail(publish(twin, one_file("other.pem", "x"))).kind == ErrorKind::locked);
  }
}

TEST_CASE("names recorded by a helper that has ended still protect its files") {
  const Scratch dir;
  {
    Publisher first = make_publisher(options_for(dir.path()));
    must_publish(first, make_set("1"));
  }
  Publisher second = make_publisher(options_with(dir.path(), {"other.pem"}));
  must_publish(second, one_file("other.pem", "x"));
  second.finish();
  CHECK(holds_version(dir.path(), "1"));
  Publisher again = make_publisher(options_for(dir.path()));
  CHECK(must_publish(again, make_set("1")).change == Change::unchanged);
}

TEST_CASE("a third helper notices that its name is held under the hash of a second") {
  const Scratch dir;
  Publisher first = make_publisher(options_for(dir.path()));
  must_publish(first, make_set("1"));
  Publisher second = make_publisher(options_with(dir.path(), {"a.pem", "b.pem"}));
  must_publish(second, one_file("a.pem", "a"));
  Publisher third = make_publisher(options_with(dir.path(), {"b.pem", "c.pem"}));
  CHECK(must_fail(publish(third, one_file("c.pem", "c"))).kind == ErrorKind::locked);
  second = make_publisher(options_for(dir.path() + "/elsewhere"));
  must_publish(third, one_file("c.pem", "c"));
}

TEST_CASE("an output that is a whole directory excludes all other helpers") {
  const Scratch dir;
  Publisher first = make_publisher(options_with(dir.path(), {"svid.pem"}));
  must_publish(first, one_file("svid.pem", "1"));
  Publisher second = make_publisher(options_with(dir.path(), {"*"}));
  CHECK(second.open().error().kind == ErrorKind::locked);
}

TEST_CASE("if one of two directories is taken, neither is held") {
  const Scratch dir;
  fs::create_directory(dir / "a");
  fs::create_directory(dir / "b");
  Publisher first = make_publisher(options_with(dir.path(), {"b/svid.pem"}));
  must_publish(first, one_file("b/svid.pem", "1"));
  Publisher second = make_publisher(options_with(dir.path(), {"a/svid.pem", "b/svid.pem"}));
  CHECK(second.open().error().kind == ErrorKind::locked);
  Publisher third = make_publisher(options_with(dir.path(), {"a/svid.pem"}));
  CHECK(third.open());
}

TEST_CASE("an incomplete lock file that is held is waited for") {
  const Scratch dir;
  write(dir / "..lock", "pid 1\nname other.pem\n", 0600);
  {
    const Fd other(::open((dir / "..lock").c_str(), O_RDWR | O_CLOEXEC));
    REQUIRE(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
    Publisher publisher = make_publisher(options_for(dir.path()));
    CHECK(publisher.open().error().kind == ErrorKind::locked);
  }
  Publisher publisher = make_publisher(options_for(dir.path()));
  CHECK(publisher.open());
}

TEST_CASE("an orderly end removes the lock file unless a live generation needs it") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    for (const bool one_shot : {false, true}) {
      const Scratch dir;
      PublisherOptions options = options_for(dir.path(), layout);
      options.one_shot = one_shot;
      Publisher first = make_publisher(options);
      must_publish(first, make_set("1"));
      // A waiting helper has the old file open: it must not lock a file that has lost its name.
      const Fd waiting(::open((dir / "..lock").c_str(), O_RDWR | O_CLOEXEC));
      first.finish();
      const bool stays = layout == Layout::snapshot && !one_shot;
      CHECK(entries(dir.path(), "..lock") ==
            (stays ? std::vector<std::string>{"..lock"} : std::vector<std::string>{}));
      if (layout != Layout::snapshot) CHECK(entries(dir.path(), "..").empty());
      Publisher second = make_publisher(options);
      if (!stays) {
        REQUIRE(second.open());
        CHECK(content_of(dir / "..lock").find("svid.pem") != std::string::npos);
        // The end of the first helper must not remove the second one's file.
        first.finish();
        CHECK(entries(dir.path(), "..lock") == std::vector<std::string>{"..lock"});
      }
      first = make_publisher(options_for(dir.path() + "/elsewhere"));
      CHECK(second.open());
    }
  }
}

TEST_CASE("the generation that one-shot mode leaves keeps other helpers' names apart") {
  const Scratch dir;
  PublisherOptions options = options_for(dir.path());
  options.one_shot = true;
  {
    Publisher first = make_publisher(options);
    must_publish(first, make_set("1"));
    first.finish();
  }
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    PublisherOptions other = options_with(dir.path(), {"other.pem"});
    other.layout = layout;
    other.one_shot = true;
    Publisher second = make_publisher(other);
    must_publish(second, one_file("other.pem", "x"));
    second.finish();
    CHECK(holds_version(dir.path(), "1"));
  }
  Publisher again = make_publisher(options);
  CHECK(must_publish(again, make_set("1")).change == Change::unchanged);
}

TEST_CASE("after a running helper's lock file is removed, the next one creates a new file") {
  const Scratch dir;
  Publisher first = make_publisher(options_for(dir.path()));
  must_publish(first, make_set("1"));
  fs::remove(dir / "..lock");
  Publisher second = make_publisher(options_for(dir.path()));
  CHECK(second.open());
  CHECK(entries(dir.path(), "..lock") == std::vector<std::string>{"..lock"});
}

TEST_CASE("a helper restores its removed lock file, unless another helper has taken the names") {
  const Scratch dir;
  Publisher first = make_publisher(options_for(dir.path()));
  Publisher second = make_publisher(options_for(dir.path()));
  must_publish(first, make_set("1"));
  fs::remove(dir / "..lock");
  REQUIRE(first.open());
  CHECK(second.open().error().kind == ErrorKind::locked);
  CHECK(must_publish(first, make_set("1")).change == Change::unchanged);
  fs::remove(dir / "..lock");
  must_publish(second, make_set("2"));
  CHECK(must_fail(publish(first, make_set("3"))).kind == ErrorKind::locked);
  CHECK(holds_version(dir.path(), "2"));
}

TEST_CASE("on a file system without locks a warning is given and publishing continues") {
  for (const int code : {EBADF, ENOLCK, EOPNOTSUPP}) {
    const Scratch dir;
    in_child([&] {
      Publisher first = make_publisher(options_for(dir.path()));
      if (!deny_syscall(SYS_flock, code)) return false;
      const Outcome outcome = must_publish(first, make_set("1"));
      if (outcome.notices.size() != 1 || !has_notice(outcome.notices, "lock_unsupported")) return false;
      return must_publish(first, make_set("2")).notices.empty() && holds_version(dir.path(), "2");
    });
  }
}

TEST_CASE("parsing a lock file accepts only complete records and numeric pids") {
  CHECK_FALSE(parse_lock("").whole);
  CHECK_FALSE(parse_lock("pid 1\nname a\n").whole);
  CHECK_FALSE(parse_lock("pid 1\nname a\nen").whole);
  const LockRecord record = parse_lock("pid 1 is mine\nname a\nend\nname b\n");
  CHECK(record.whole);
  CHECK(record.pid.empty());
  CHECK(record.leaves == std::vector<std::string>{"a"});
  const std::vector<std::string> leaves = {"x", "y"};
  CHECK(parse_lock(format_lock("17", leaves)).pid == "17");
  CHECK(parse_lock(format_lock("17", leaves)).leaves == leaves);
}

TEST_CASE("the hash of names does not depend on their order") {
  const std::vector<std::string> ab = {"a", "b"};
  const std::vector<std::string> ba = {"b", "a"};
  CHECK(hash_of_names(ab) == hash_of_names(ba));
  CHECK(hash_of_names(ab) != hash_of_names(std::vector<std::string>{"a"}));
}

}  // namespace spiffe::output::test
