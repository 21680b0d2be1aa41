// Who may read the files: inherited groups, kept owners, configured owners.
#include <chrono>

#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

namespace {

constexpr uid_t kUser = 12345;
constexpr gid_t kGroup = 12346;

bool owned_by(const std::string& path, uid_t user, gid_t group) {
  const struct stat st = stat_of(path);
  UNSCOPED_INFO(path << " belongs to " << st.st_uid << ':' << st.st_gid);
  return st.st_uid == user && st.st_gid == group;
}

void give_to(const std::string& path, uid_t user, gid_t group) {
  REQUIRE(::chown(path.c_str(), user, group) == 0);
}

void end(Publisher& publisher) {
  publisher = make_publisher(options_for("/nonexistent"));
}

const std::vector<Layout> kRenamingLayouts = {Layout::snapshot, Layout::files};

}  // namespace

TEST_CASE("files get the group of a setgid directory, whose bit a generation inherits") {
  if (skipped_without_root()) return;
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    for (const mode_t umask : {0022U, 0077U}) {
      const Scratch dir;
      in_child([&] {
        give_to(dir.path(), 0, kGroup);
        REQUIRE(::chmod(dir.path().c_str(), 02775) == 0);
        ::umask(umask);
        Publisher publisher = make_publisher(options_for(dir.path(), layout));
        const Outcome outcome = must_publish(publisher, make_set("1"));
        if (layout == Layout::snapshot && mode_of(dir / ("..gen." + outcome.generation)) != 02755)
          return false;
        return owned_by(dir / "svid_key.pem", 0, kGroup) && mode_of(dir / "svid_key.pem") == 0600;
      });
    }
  }
}

TEST_CASE("a setgid directory works for a helper with the group as a supplementary one") {
  if (skipped_without_root()) return;
  for (const Layout layout : kRenamingLayouts) {
    const Scratch dir;
    give_to(dir.path(), 0, kGroup);
    REQUIRE(::chmod(dir.path().c_str(), 02777) == 0);  // like a Kubernetes emptyDir with fsGroup
    in_child([&] {
      become(kUser, kUser, kGroup);
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      must_publish(publisher, make_set("1"));
      must_publish(publisher, make_set("2"));
      return owned_by(dir / "svid_key.pem", kUser, kGroup) && holds_version(dir.path(), "2");
    });
  }
}

TEST_CASE("the owner of an existing key is kept from then on, with one notice") {
  if (skipped_without_root()) return;
  for (const Layout layout : kRenamingLayouts) {
    const Scratch dir;
    write(dir / "svid_key.pem", "", 0600);
    give_to(dir / "svid_key.pem", kUser, kGroup);
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    const Outcome first = must_publish(publisher, make_set("1"));
    REQUIRE(first.notices.size() == 1);
    CHECK(first.notices[0].event == "owner_kept");
    CHECK_FALSE(first.notices[0].warning);
    CHECK(first.notices[0].message == "keeps the owner of the file before it, 12345:12346");
    CHECK(owned_by(dir / "svid_key.pem", kUser, kGroup));
    CHECK(owned_by(dir / "svid.pem", 0, 0));
    CHECK(must_publish(publisher, make_set("2")).notices.empty());
    CHECK(owned_by(dir / "svid_key.pem", kUser, kGroup));
    // The next run takes the owner from the files.
    end(publisher);
    Publisher next = make_publisher(options_for(dir.path(), layout));
    must_publish(next, make_set("3"));
    must_publish(next, make_set("4"));
    CHECK(owned_by(dir / "svid_key.pem", kUser, kGroup));
    CHECK(mode_of(dir / "svid_key.pem") == 0600);
    // And so does another layout.
    end(next);
    Publisher other =
        make_publisher(options_for(dir.path(), layout == Layout::files ? Layout::snapshot : Layout::files));
    must_publish(other, make_set("5"));
    CHECK(owned_by(dir / "svid_key.pem", kUser, kGroup));
  }
}

TEST_CASE("an owner set by hand on a published file is kept") {
  if (skipped_without_root()) return;
  for (const Layout layout : kRenamingLayouts) {
    const Scratch dir;
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    must_publish(publisher, make_set("1"));
    give_to(dir / "svid_key.pem", kUser, kGroup);
    CHECK(must_publish(publisher, make_set("1")).change == Change::unchanged);
    must_publish(publisher, make_set("2"));
    CHECK(owned_by(dir / "svid_key.pem", kUser, kGroup));
  }
}

TEST_CASE("a helper that now runs as another user keeps owners, and removes superseded generations") {
  if (skipped_without_root()) return;
  const Scratch dir;
  give_to(dir.path(), kUser, kGroup);
  in_child([&] {
    become(kUser, kGroup);
    Publisher publisher = make_publisher(options_for(dir.path()));
    must_publish(publisher, make_set("1"));
    return true;
  });
  Publisher publisher = make_publisher(options_for(dir.path()));
  CHECK(must_publish(publisher, make_set("1")).change == Change::published);
  CHECK(owned_by(dir / "svid_key.pem", kUser, kGroup));
  CHECK(entries(dir.path(), "..gen.").size() == 2);
  publisher.tidy(BootClock::now() + std::chrono::seconds(11));
  CHECK(entries(dir.path(), "..gen.").size() == 1);
  CHECK(holds_version(dir.path(), "1"));
}

TEST_CASE("owners are not kept if others can write the directory") {
  if (skipped_without_root()) return;
  for (const Layout layout : kRenamingLayouts) {
    for (const mode_t mode : {0777U, 01777U}) {
      const Scratch dir;
      REQUIRE(::chmod(dir.path().c_str(), mode) == 0);
      write(dir / "svid_key.pem", "", 0666);
      give_to(dir / "svid_key.pem", kUser, kGroup);
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      must_publish(publisher, make_set("1"));
      must_publish(publisher, make_set("2"));
      CHECK(owned_by(dir / "svid_key.pem", 0, 0));
      CHECK(mode_of(dir / "svid_key.pem") == 0600);
    }
  }
}

TEST_CASE("owners are not kept from a planted generation in a directory that others can write") {
  if (skipped_without_root()) return;
  const Scratch dir;
  REQUIRE(::chmod(dir.path().c_str(), 0777) == 0);
  fs::create_directory(dir / "..gen.aa");
  write(dir / "..gen.aa/svid_key.pem", "", 0666);
  give_to(dir / "..gen.aa/svid_key.pem", kUser, kGroup);
  fs::create_symlink("..gen.aa", dir / "..data");
  Publisher publisher = make_publisher(options_for(dir.path()));
  must_publish(publisher, make_set("1"));
  CHECK(owned_by(dir / "svid_key.pem", 0, 0));
}

TEST_CASE("a configured owner is set by every write, and corrected") {
  if (skipped_without_root()) return;
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    write(dir / "svid_key.pem", "", 0600);
    give_to(dir / "svid_key.pem", 777, 777);
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    const auto set = [](const std::string& version) {
      FileSet files = make_set(version);
      files.files[1].owner = {.user = kUser, .group = kGroup};
      files.files[2].owner = {.user = std::nullopt, .group = kGroup};
      return files;
    };
    CHECK(must_publish(publisher, set("1")).notices.empty());
    must_publish(publisher, set("2"));
    CHECK(owned_by(dir / "svid_key.pem", kUser, kGroup));
    CHECK(owned_by(dir / "svid_bundle.pem", 0, kGroup));
    give_to(dir / "svid_key.pem", 0, 0);
    CHECK(must_publish(publisher, set("2")).change == Change::repaired);
    CHECK(owned_by(dir / "svid_key.pem", kUser, kGroup));
    CHECK(mode_of(dir / "svid_key.pem") == 0600);
  }
}

TEST_CASE("a configured owner that cannot be set is an error that leaves nothing") {
  if (skipped_without_root()) return;
  for (const Layout layout : kRenamingLayouts) {
    const Scratch dir;
    give_to(dir.path(), kUser, kUser);
    in_child([&] {
      become(kUser, kUser);
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      FileSet set = make_set("1");
      set.files[1].owner.user = 0;
      const auto result = publish(publisher, set);
      return !result &&
             result.error().message ==
                 "cannot write " + (dir / "svid_key.pem") + ": operation not permitted (chown)" &&
             entries(dir.path()) == std::vector<std::string>{"..lock"};
    });
  }
}

TEST_CASE("a helper that may not give files away has one notice and continues") {
  if (skipped_without_root()) return;
  for (const Layout layout : kRenamingLayouts) {
    const Scratch dir;
    give_to(dir.path(), kUser, kUser);
    write(dir / "svid_key.pem", "", 0600);  // owned by root
    in_child([&] {
      become(kUser, kUser);
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      const Outcome first = must_publish(publisher, make_set("1"));
      if (first.notices.size() != 1 || !has_notice(first.notices, "owner_lost")) return false;
      return must_publish(publisher, make_set("2")).notices.empty() && holds_version(dir.path(), "2");
    });
  }
}

TEST_CASE("CAP_CHOWN is sufficient to give files away") {
  if (skipped_without_root()) return;
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    in_child([&] {
      if (layout != Layout::in_place) {
        write(dir / "svid_key.pem", "", 0600);
        give_to(dir / "svid_key.pem", kUser, kGroup);
      }
      keep_capability(CAP_CHOWN);
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      // Opening a file in place after giving it away would need another capability.
      const int last = layout == Layout::in_place ? 1 : 2;
      for (int version = 1; version <= last; ++version) {
        FileSet set = make_set(std::to_string(version));
        for (File& file : set.files) {
          file.mode = 0640;
          if (file.contents == Contents::certificate) file.owner = {kUser, kGroup};
        }
        must_publish(publisher, set);
        if (!owned_by(dir / "svid.pem", kUser, kGroup) || mode_of(dir / "svid.pem") != 0640) return false;
      }
      return layout == Layout::in_place ||
             (owned_by(dir / "svid_key.pem", kUser, kGroup) && mode_of(dir / "svid_key.pem") == 0640);
    });
  }
}

TEST_CASE("in-place layout: a key is not written to a file that is too open and cannot be closed") {
  if (skipped_without_root()) return;
  const Scratch dir;
  write(dir / "svid_key.pem", "old", 0666);
  write(dir / "svid.pem", "old", 0666);
  write(dir / "svid_bundle.pem", "old", 0666);
  in_child([&] {
    become(kUser, kUser);
    Publisher publisher = make_publisher(options_for(dir.path(), Layout::in_place));
    const auto result = publish(publisher, make_set("1"));
    return !result && content_of(dir / "svid_key.pem") == "old" &&
           has_notice(publisher.take_notices(), "mode_kept");
  });
}

}  // namespace spiffe::output::test
