// Files that other users created beforehand in order to receive a secret, or to have a file of ours
// overwritten.
#include <array>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

namespace {

constexpr uid_t kPlanter = 12345;
constexpr uid_t kDatabase = 26;
const std::string kKey = "svid_key.pem";

// What the three kinds of directories that others can write have in common.
struct Shared {
  mode_t mode;
  gid_t group;
};
const std::vector<Shared> kShared = {{02770, kPlanter}, {01777, 0}, {0777, 0}};

void open_to_others(const std::string& path, const Shared& shared) {
  REQUIRE(::chown(path.c_str(), 0, shared.group) == 0);
  REQUIRE(::chmod(path.c_str(), shared.mode) == 0);
}

void as_planter(const std::function<void()>& body) {
  in_child([&] {
    become(kPlanter, kPlanter);
    body();
    return true;
  });
}

// Whether the key is a file of root's that nobody else may read, without further hard links.
bool only_root_has_key(const std::string& path, const std::string& version) {
  const struct stat st = stat_of(path);
  UNSCOPED_INFO(path << ": " << st.st_uid << ':' << st.st_gid << " " << std::oct << st.st_mode);
  return st.st_uid == 0 && (st.st_mode & 07777) == 0600 && st.st_nlink == 1 &&
         content_of(path) == "key " + version;
}

bool has_warning(const std::vector<Notice>& notices, const std::string& path) {
  for (const Notice& notice : notices) {
    UNSCOPED_INFO(notice.event << ' ' << notice.path << ' ' << notice.message);
    if (notice.warning && notice.path == path) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("the owner of a planted file gets no secret, in any layout and directory") {
  if (skipped_without_root()) return;
  for (const Layout layout : kLayouts) {
    for (const Shared& shared : kShared) {
      INFO("layout " << static_cast<int>(layout) << ", directory " << std::oct << shared.mode);
      const Scratch dir;
      open_to_others(dir.path(), shared);
      as_planter([&] { write(dir / kKey, "", 0666); });
      const Fd held(::open((dir / kKey).c_str(), O_RDONLY | O_CLOEXEC));
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const Outcome first = must_publish(publisher, make_set("1"));
      CHECK(has_warning(first.notices, dir / kKey));
      CHECK(only_root_has_key(dir / kKey, "1"));
      CHECK_FALSE(has_warning(must_publish(publisher, make_set("2")).notices, dir / kKey));
      CHECK(only_root_has_key(dir / kKey, "2"));
      struct stat planted{};
      REQUIRE(::fstat(held.get(), &planted) == 0);
      CHECK(planted.st_size == 0);
    }
  }
}

TEST_CASE("a planted symlink or hard link gets no secret and overwrites nothing") {
  if (skipped_without_root()) return;
  for (const Layout layout : kLayouts) {
    for (const Shared& shared : kShared) {
      for (const char* kind : {"own file", "file of root", "dangling", "fifo", "hard link"}) {
        INFO("layout " << static_cast<int>(layout) << ", directory " << std::oct << shared.mode << ", "
                       << kind);
        const Scratch dir;
        const Scratch outside;
        REQUIRE(::chmod(outside.path().c_str(), 0777) == 0);
        open_to_others(dir.path(), shared);
        write(outside / "root", "precious");
        const std::string which = kind;
        as_planter([&] {
          write(outside / "own", "planted", 0666);
          REQUIRE(::mkfifo((outside / "fifo").c_str(), 0666) == 0);
          if (which == "own file") fs::create_symlink(outside / "own", dir / kKey);
          if (which == "file of root") fs::create_symlink(outside / "root", dir / kKey);
          if (which == "dangling") fs::create_symlink(outside / "nowhere", dir / kKey);
          if (which == "fifo") fs::create_symlink(outside / "fifo", dir / kKey);
        });
        // Possible if fs.protected_hardlinks is off.
        if (which == "hard link") fs::create_hard_link(outside / "root", dir / kKey);
        Publisher publisher = make_publisher(options_for(dir.path(), layout));
        const Outcome outcome = must_publish(publisher, make_set("1"));
        CHECK(has_warning(outcome.notices, dir / kKey));
        CHECK(only_root_has_key(dir / kKey, "1"));
        must_publish(publisher, make_set("2"));
        CHECK(only_root_has_key(dir / kKey, "2"));
        CHECK(content_of(outside / "root") == "precious");
        CHECK(content_of(outside / "own") == "planted");
        CHECK_FALSE(fs::exists(outside / "nowhere"));
      }
    }
  }
}

TEST_CASE("a planted FIFO or directory is an error") {
  if (skipped_without_root()) return;
  for (const Layout layout : kLayouts) {
    for (const Shared& shared : kShared) {
      const Scratch dir;
      open_to_others(dir.path(), shared);
      as_planter([&] { REQUIRE(::mkfifo((dir / kKey).c_str(), 0666) == 0); });
      const Fd reader(::open((dir / kKey).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      CHECK(must_fail(publish(publisher, make_set("1"))).message.find(dir / kKey) != std::string::npos);
      std::array<char, 8> byte;
      CHECK(::read(reader.get(), byte.data(), byte.size()) == 0);
      fs::remove(dir / kKey);
      fs::create_directory(dir / kKey);
      CHECK(must_fail(publish(publisher, make_set("1"))).message.find("is a directory") != std::string::npos);
    }
  }
}

TEST_CASE("a token is as secret as a key") {
  if (skipped_without_root()) return;
  for (const Layout layout : kLayouts) {
    for (const Shared& shared : kShared) {
      const Scratch dir;
      open_to_others(dir.path(), shared);
      as_planter([&] { write(dir / "token.jwt", "", 0666); });
      PublisherOptions options = options_for(dir.path(), layout);
      options.names = {"token.jwt"};
      Publisher publisher = make_publisher(options);
      File token = make_file("token.jwt", "secret", 0600);
      token.contents = Contents::token;
      const auto outcome = publish_alone(publisher, std::move(token));
      REQUIRE(outcome);
      CHECK(has_warning(outcome->notices, dir / "token.jwt"));
      CHECK(stat_of(dir / "token.jwt").st_uid == 0);
      CHECK(content_of(dir / "token.jwt") == "secret");
    }
  }
}

TEST_CASE("a file with the right content that was given away is taken back at the next start") {
  if (skipped_without_root()) return;
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    open_to_others(dir.path(), kShared[0]);
    must_publish(*std::make_unique<Publisher>(make_publisher(options_for(dir.path(), layout))),
                 make_set("1"));
    REQUIRE(::chown((dir / kKey).c_str(), kPlanter, kPlanter) == 0);
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    must_publish(publisher, make_set("1"));
    CHECK(only_root_has_key(dir / kKey, "1"));
    CHECK(must_publish(publisher, make_set("1")).change == Change::unchanged);
  }
}

TEST_CASE("a key made for the database's user keeps its owner if only root can write, in all layouts") {
  if (skipped_without_root()) return;
  for (const Layout layout : kLayouts) {
    const Scratch dir;
    write(dir / kKey, "", 0600);
    REQUIRE(::chown((dir / kKey).c_str(), kDatabase, kDatabase) == 0);
    for (int life = 0; life < 2; ++life) {
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      for (const char* version : {"1", "2", "3"}) {
        must_publish(publisher, make_set(version));
        const struct stat st = stat_of(dir / kKey);
        CHECK((st.st_uid == kDatabase && st.st_gid == kDatabase && (st.st_mode & 07777) == 0600));
        CHECK(content_of(dir / kKey) == std::string("key ") + version);
      }
      publisher.finish();
    }
  }
}

TEST_CASE("a directory below cert_dir that another user created does not give its owner the key") {
  if (skipped_without_root()) return;
  for (const Layout layout : kLayouts) {
    const Scratch dir;
    open_to_others(dir.path(), {0777, 0});
    as_planter([&] {
      fs::create_directories(dir / "a/b");
      REQUIRE(::chmod((dir / "a").c_str(), 0755) == 0);
      REQUIRE(::chmod((dir / "a/b").c_str(), 0755) == 0);
      write(dir / "a/b/svid_key.pem", "", 0666);
    });
    PublisherOptions options = options_for(dir.path(), layout);
    options.names = {"a/b/svid.pem", "a/b/svid_key.pem", "a/b/svid_bundle.pem"};
    Publisher publisher = make_publisher(options);
    must_publish(publisher, make_set("1", "a/b/"));
    CHECK(only_root_has_key(dir / "a/b/svid_key.pem", "1"));
  }
}

TEST_CASE("in-place layout: a planted file that cannot be replaced is not written") {
  if (skipped_without_root()) return;
  const Scratch dir;
  open_to_others(dir.path(), {01777, 0});
  as_planter([&] { write(dir / kKey, "planted", 0666); });
  in_child([&] {
    become(777, 777);
    Publisher publisher = make_publisher(options_for(dir.path(), Layout::in_place));
    const auto result = publish(publisher, make_set("1"));
    return !result &&
           result.error().message == "cannot write " + (dir / kKey) +
                                         ": it belongs to user 12345, so it is not written, and it cannot be "
                                         "replaced: operation not permitted" &&
           result.error().hint.find("key_owner = 12345") != std::string::npos &&
           content_of(dir / kKey) == "planted";
  });
}

TEST_CASE("layouts that rename: a planted file in a sticky directory is an error with a hint") {
  if (skipped_without_root()) return;
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    open_to_others(dir.path(), {01777, 0});
    as_planter([&] { write(dir / kKey, "planted", 0666); });
    in_child([&] {
      become(777, 777);
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const auto result = publish(publisher, make_set("1"));
      return !result && result.error().hint.starts_with("it belongs to user 12345") &&
             content_of(dir / kKey) == "planted";
    });
  }
}

TEST_CASE("in-place layout: links and files of our own are written through") {
  if (skipped_without_root()) return;
  const Scratch dir;
  const Scratch outside;
  fs::create_directory(outside / "real");
  fs::create_directory_symlink("real", outside / "link");
  write(outside / "real/key", "", 0600);
  fs::create_symlink(outside / "link/key", outside / "second");
  fs::create_symlink(fs::path("..") / fs::path(outside.path()).filename() / "second", dir / kKey);
  fs::create_symlink(outside / "link/created", dir / "svid.pem");
  Publisher publisher = make_publisher(options_for(dir.path(), Layout::in_place));
  for (const char* version : {"1", "2"}) {
    CHECK(must_publish(publisher, make_set(version)).notices.empty());
    CHECK(content_of(outside / "real/key") == std::string("key ") + version);
    CHECK(content_of(outside / "real/created") == std::string("certificate ") + version);
    CHECK(fs::is_symlink(dir / kKey));
  }
  // A link to itself is an error, not an endless loop.
  fs::remove(dir / "svid.pem");
  fs::create_symlink("svid.pem", dir / "svid.pem");
  CHECK(must_fail(publish(publisher, make_set("3"))).message.contains("too many levels of symbolic links"));
}

TEST_CASE("in-place layout: our link to another user's file takes a certificate, and a configured key") {
  if (skipped_without_root()) return;
  const Scratch dir;
  const Scratch outside;
  for (const std::string& name : {std::string("svid.pem"), kKey}) {
    write(outside / name, "old", 0600);
    REQUIRE(::chown((outside / name).c_str(), kDatabase, kDatabase) == 0);
    fs::create_symlink(outside / name, dir / name);
  }
  Publisher publisher = make_publisher(options_for(dir.path(), Layout::in_place));
  const Error error = must_fail(publish(publisher, make_set("1")));
  CHECK(error.message == "cannot write " + (dir / kKey) +
                             ": its symlink leads to a file of user 26, and is not written through");
  CHECK(error.hint == "remove the symlink; if that user is meant to have the content set key_owner = 26");
  CHECK(content_of(outside / kKey) == "old");
  FileSet set = make_set("1");
  set.files[1].owner.user = kDatabase;
  must_publish(publisher, set);
  CHECK(content_of(outside / kKey) == "key 1");
  CHECK(content_of(outside / "svid.pem") == "certificate 1");
  CHECK(stat_of(outside / kKey).st_uid == kDatabase);
}

TEST_CASE("in-place layout: withdrawing a key truncates nothing through a planted link") {
  if (skipped_without_root()) return;
  const Scratch dir;
  const Scratch outside;
  write(outside / "root", "precious");
  open_to_others(dir.path(), {0777, 0});
  Publisher publisher = make_publisher(options_for(dir.path(), Layout::in_place));
  must_publish(publisher, make_set("1"));
  as_planter([&] {
    fs::remove(dir / kKey);
    fs::create_symlink(outside / "root", dir / kKey);
  });
  REQUIRE(publisher.withdraw(std::vector<std::string>{kKey}));
  CHECK(content_of(outside / "root") == "precious");
  CHECK_FALSE(fs::exists(fs::symlink_status(dir / kKey)));
}

TEST_CASE("require_secure_dir refuses a directory that a foreign group can write") {
  if (skipped_without_root()) return;
  for (const mode_t mode : {02770U, 0775U}) {
    const Scratch dir;
    REQUIRE(::chown(dir.path().c_str(), 0, kPlanter) == 0);
    REQUIRE(::chmod(dir.path().c_str(), mode) == 0);
    PublisherOptions options = options_for(dir.path());
    options.require_secure_dir = true;
    Publisher publisher = make_publisher(options);
    const Error error = must_fail(publish(publisher, make_set("1")));
    CHECK(error.message == "cannot write " + dir.path() + ": group 12345 can write this directory");
    CHECK(error.hint.find("key_group") != std::string::npos);
    CHECK(entries(dir.path()).empty());
    // Accepted are a trusted group, and the helper's own.
    options.trusted_groups = {kPlanter};
    Publisher named = make_publisher(options);
    must_publish(named, make_set("1"));
    named = make_publisher(options_for("/nonexistent"));
    options.trusted_groups.clear();
    in_child([&] {
      REQUIRE(::setgid(kPlanter) == 0);
      Publisher own = make_publisher(options);
      must_publish(own, make_set("2"));
      return true;
    });
    REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
    must_publish(publisher, make_set("3"));
  }
}

TEST_CASE("a lock file that is a hard link of another file is replaced, not overwritten") {
  const Scratch dir;
  const Scratch outside;
  write(outside / "precious", "precious", 0600);
  fs::create_hard_link(outside / "precious", dir / "..lock");
  Publisher publisher = make_publisher(options_for(dir.path()));
  must_publish(publisher, make_set("1"));
  CHECK(content_of(outside / "precious") == "precious");
  CHECK(stat_of(dir / "..lock").st_nlink == 1);
  Publisher second = make_publisher(options_for(dir.path()));
  CHECK(second.open().error().kind == ErrorKind::locked);
}

TEST_CASE("a lock file of another user is replaced if free, and named in the error if held") {
  if (skipped_without_root()) return;
  for (const mode_t mode : {01777U, 0777U}) {
    const Scratch dir;
    REQUIRE(::chmod(dir.path().c_str(), mode) == 0);
    const std::string record = "pid 1\nname svid.pem\nend\n";
    as_planter([&] { write(dir / "..lock", record, 0666); });
    const Fd held(::open((dir / "..lock").c_str(), O_RDWR | O_CLOEXEC));
    REQUIRE(::flock(held.get(), LOCK_EX | LOCK_NB) == 0);
    Publisher publisher = make_publisher(options_for(dir.path()));
    const Error error = publisher.open().error();
    CHECK(error.kind == ErrorKind::locked);
    CHECK(error.message ==
          "cannot write " + dir.path() + ": ..lock belongs to uid 12345, who holds it for these files");
    CHECK(content_of(dir / "..lock") == record);
    ::flock(held.get(), LOCK_UN);
    must_publish(publisher, make_set("1"));
    CHECK(stat_of(dir / "..lock").st_uid == 0);
    CHECK(holds_version(dir.path(), "1"));
  }
}

TEST_CASE("a lock file of another user that cannot be replaced is named in the error") {
  if (skipped_without_root()) return;
  const Scratch dir;
  REQUIRE(::chmod(dir.path().c_str(), 01777) == 0);
  as_planter([&] { write(dir / "..lock", "", 0666); });
  in_child([&] {
    become(777, 777);
    Publisher publisher = make_publisher(options_for(dir.path()));
    const auto opened = publisher.open();
    return !opened && opened.error().message ==
                          "cannot write " + dir.path() +
                              ": ..lock belongs to uid 12345 and cannot be replaced: operation not permitted";
  });
}

}  // namespace spiffe::output::test
