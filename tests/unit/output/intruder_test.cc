// Files that others may have put into the directory: they never stop a publication, are never followed, and
// are not deleted unless they are ours.
#include <sys/stat.h>
#include <unistd.h>

#include "output/cleaner.hh"
#include "output/temporaries.hh"
#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

TEST_CASE("a planted temporary name does not stop a publication") {
  const Scratch dir;
  Notices notices;
  Place place{.directory = *Directory::open({dir.path(), {}}, false),
              .names = OwnNames(),
              .temporaries = {},
              .notices = &notices};
  TemporaryNames guess = place.temporaries;
  const std::string planted_file = guess.next(place.names);
  write(dir / planted_file, "planted");
  const File file = make_file("svid.pem", "content");
  const Item item{&file, "svid.pem", {}};
  Temporaries temporaries(place);
  REQUIRE(temporaries.add_file(item, {}));
  CHECK(temporaries.rename_next("svid.pem") == 0);
  CHECK(content_of(dir / "svid.pem") == "content");

  guess = place.temporaries;
  const std::string planted_link = guess.next(place.names);
  fs::create_symlink("/etc/passwd", dir / planted_link);
  REQUIRE(temporaries.add_link("link", "target"));
  CHECK(temporaries.rename_next("link") == 0);
  CHECK(link_of(dir / "link") == "target");
  CHECK(content_of(dir / planted_file) == "planted");
}

TEST_CASE("temporaries that were not renamed are removed") {
  const Scratch dir;
  Notices notices;
  Place place{.directory = *Directory::open({dir.path(), {}}, false),
              .names = OwnNames(),
              .temporaries = {},
              .notices = &notices};
  {
    Temporaries temporaries(place);
    REQUIRE(temporaries.add_link("link", "target"));
    REQUIRE(temporaries.add_link("link", "target"));
  }
  CHECK(entries(dir.path()).empty());
}

TEST_CASE("a start removes leftovers of an earlier run, and nothing else") {
  const Scratch dir;
  {
    Publisher publisher = make_publisher(options_for(dir.path()));
    must_publish(publisher, make_set("1"));
    must_publish(publisher, make_set("2"));
  }
  write(dir / "..tmp.0011223344556677-0", "a temporary");
  fs::create_symlink("..data/svid.pem", dir / "..tmp.0011223344556677-1");
  fs::create_directory(dir / "..gen.00");
  write(dir / "..gen.00/svid_key.pem", "half a key");
  // Files of others: another hash, other name patterns, a user's files.
  fs::create_directory(dir / "..gen.0123456789abcdef.00");
  write(dir / "..gen.0123456789abcdef.00/svid.pem", "not ours");
  write(dir / "..tmp.0123456789abcdef.00", "not ours");
  write(dir / "..generation", "not ours");
  write(dir / "notes.txt", "not ours");
  Publisher publisher = make_publisher(options_for(dir.path()));
  REQUIRE(publisher.open());
  CHECK(entries(dir.path(), "..tmp.") == std::vector<std::string>{"..tmp.0123456789abcdef.00"});
  CHECK(entries(dir.path(), "..gen") ==
        std::vector<std::string>{"..gen.0123456789abcdef.00", link_of(dir / "..data"), "..generation"});
  CHECK(content_of(dir / "..gen.0123456789abcdef.00/svid.pem") == "not ours");
  CHECK(content_of(dir / "notes.txt") == "not ours");
  CHECK(holds_version(dir.path(), "2"));
}

TEST_CASE("removal follows no symlink and goes no deeper than the files of a generation") {
  const Scratch dir;
  const Scratch outside;
  write(outside / "precious", "precious");
  fs::create_directory_symlink(outside.path(), dir / "..gen.aa");
  fs::create_directory(dir / "..gen.bb");
  fs::create_directory(dir / "..gen.bb/deep");
  write(dir / "..gen.bb/deep/file", "deep");
  fs::create_directory_symlink(outside.path(), dir / "..gen.bb/link");
  write(dir / "..gen.cc", "a file");
  fs::create_directory_symlink(outside.path(), dir / "..tmp.aa");
  Publisher publisher = make_publisher(options_for(dir.path()));
  must_publish(publisher, make_set("1"));
  publisher.finish();
  CHECK(content_of(outside / "precious") == "precious");
  CHECK(content_of(dir / "..gen.bb/deep/file") == "deep");
  CHECK(entries(dir.path(), "..gen.aa").empty());
  CHECK(entries(dir.path(), "..gen.cc").empty());
  CHECK(entries(dir.path(), "..tmp.").empty());
}

TEST_CASE("a ..data that is not ours is an error") {
  const auto refused = [](const Scratch& dir) {
    Publisher publisher = make_publisher(options_for(dir.path()));
    const Error error = must_fail(publish(publisher, make_set("1")));
    CHECK(error.message == "cannot write " + (dir / "..data") +
                               ": it does not lead to a generation of ours, so somebody else manages this "
                               "directory");
    CHECK_FALSE(error.hint.empty());
    CHECK(entries(dir.path(), "..gen.").empty());
    CHECK(entries(dir.path(), "svid").empty());
  };
  const Scratch kubernetes;
  fs::create_symlink("..2026_01_02_03_04_05.123", kubernetes / "..data");
  refused(kubernetes);
  const Scratch directory;
  fs::create_directory(directory / "..data");
  refused(directory);
  const Scratch file;
  write(file / "..data", "x");
  refused(file);
  const Scratch outside;
  fs::create_symlink("..gen.aa/../../..", outside / "..data");
  refused(outside);
  const Scratch other_hash;
  fs::create_symlink("..gen.0123456789abcdef.aa", other_hash / "..data");
  refused(other_hash);
}

TEST_CASE("a generation that is a planted symlink is not used") {
  const Scratch dir;
  const Scratch outside;
  for (const File& file : make_set("1").files) write(outside / file.name, file.content.text());
  fs::create_directory_symlink(outside.path(), dir / "..gen.aa");
  fs::create_symlink("..gen.aa", dir / "..data");
  Publisher publisher = make_publisher(options_for(dir.path()));
  CHECK(must_publish(publisher, make_set("1")).change == Change::published);
  CHECK(link_of(dir / "..data") != "..gen.aa");
  publisher.finish();
  CHECK(holds_version(dir.path(), "1"));
  CHECK(holds_version(outside.path(), "1"));
}

TEST_CASE("a leaf that is another user's symlink is replaced with one warning about the in-place layout") {
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    const Scratch outside;
    write(outside / "target", "untouched");
    fs::create_symlink(outside / "target", dir / "svid_key.pem");
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    const Outcome outcome = must_publish(publisher, make_set("1"));
    REQUIRE(outcome.notices.size() == 1);
    CHECK(outcome.notices[0].event == "link_replaced");
    CHECK(outcome.notices[0].path == dir / "svid_key.pem");
    CHECK(outcome.notices[0].message.find("layout = \"in-place\"") != std::string::npos);
    CHECK(content_of(outside / "target") == "untouched");
    CHECK(holds_version(dir.path(), "1"));
    CHECK(must_publish(publisher, make_set("2")).notices.empty());
  }
}

TEST_CASE("a leaf with several hard links is replaced with one warning") {
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    write(dir / "other", "untouched");
    fs::create_hard_link(dir / "other", dir / "svid.pem");
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    const Outcome outcome = must_publish(publisher, make_set("1"));
    REQUIRE(outcome.notices.size() == 1);
    CHECK(outcome.notices[0].event == "link_replaced");
    CHECK(content_of(dir / "other") == "untouched");
    CHECK(holds_version(dir.path(), "1"));
  }
}

TEST_CASE("a leaf that is a directory or a FIFO is an error before anything is written") {
  for (const Layout layout : {Layout::snapshot, Layout::files}) {
    const Scratch dir;
    fs::create_directory(dir / "svid.pem");
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    CHECK(must_fail(publish(publisher, make_set("1"))).message ==
          "cannot write " + (dir / "svid.pem") + ": is a directory (replace)");
    CHECK(entries(dir.path()) == std::vector<std::string>{"..lock", "svid.pem"});
    fs::remove(dir / "svid.pem");
    REQUIRE(::mkfifo((dir / "svid.pem").c_str(), 0600) == 0);
    must_fail(publish(publisher, make_set("1")));
    CHECK(entries(dir.path()) == std::vector<std::string>{"..lock", "svid.pem"});
    fs::remove(dir / "svid.pem");
    must_publish(publisher, make_set("1"));
  }
}

TEST_CASE("a directory that others can write is used with one warning, or refused") {
  const Scratch dir;
  REQUIRE(::chmod(dir.path().c_str(), 0777) == 0);
  Publisher publisher = make_publisher(options_for(dir.path()));
  const Outcome first = must_publish(publisher, make_set("1"));
  REQUIRE(first.notices.size() == 1);
  CHECK(first.notices[0].event == "insecure_dir");
  CHECK(first.notices[0].path == dir.path());
  CHECK(must_publish(publisher, make_set("2")).notices.empty());
  publisher = make_publisher(options_for(dir / "nowhere"));

  const Scratch untouched;
  REQUIRE(::chmod(untouched.path().c_str(), 0777) == 0);
  PublisherOptions options = options_for(untouched.path());
  options.require_secure_dir = true;
  Publisher refusing = make_publisher(options);
  CHECK_FALSE(refusing.open());
  CHECK(entries(untouched.path()).empty());

  options.cert_dir = dir.path();
  Publisher strict = make_publisher(options);
  CHECK(must_fail(publish(strict, make_set("3"))).message ==
        "cannot write " + dir.path() + ": others can write this directory");
  CHECK(holds_version(dir.path(), "2"));
  REQUIRE(::chmod(dir.path().c_str(), 01777) == 0);
  CHECK(must_publish(strict, make_set("3")).notices.empty());
}

TEST_CASE("planted lock files are not followed and do not block") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  const auto refused = [&] {
    const Error error = must_fail(publish(publisher, make_set("1")));
    CHECK(error.message == "cannot write " + (dir / "..lock") + ": it is not a regular file");
    CHECK_FALSE(error.hint.empty());
    fs::remove(dir / "..lock");
  };
  fs::create_symlink("/etc/passwd", dir / "..lock");
  refused();
  fs::create_directory(dir / "..lock");
  refused();
  REQUIRE(::mkfifo((dir / "..lock").c_str(), 0600) == 0);
  refused();
  write(dir / "..lock", std::string(3000, '\0'), 0600);
  must_publish(publisher, make_set("1"));
}

}  // namespace spiffe::output::test
