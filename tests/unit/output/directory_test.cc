// cert_dir and the directories below it: found, made, replaced, refused.
#include "output/directory.hh"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

TEST_CASE("a missing cert_dir is an error with a way out") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir / "certs"));
  const Error error = must_fail(publish(publisher, make_set("1")));
  CHECK(error.message == "cannot write " + (dir / "certs") + ": no such file or directory (open)");
  CHECK(error.hint == "create it, mount it, or set create_cert_dir = true");
  CHECK_FALSE(publisher.check());
  CHECK_FALSE(publisher.on_memory());
  fs::create_directory(dir / "certs");
  const Outcome outcome = must_publish(publisher, make_set("1"));
  CHECK_FALSE(outcome.moved);  // it is the first one
  CHECK(holds_version(dir / "certs", "1"));
}

TEST_CASE("a missing directory below cert_dir is an error with the same way out") {
  const Scratch dir;
  PublisherOptions options = options_for(dir.path());
  for (std::string& name : options.names) name.insert(0, "sub/");
  Publisher publisher = make_publisher(options);
  const Error error = must_fail(publish(publisher, make_set("1", "sub/")));
  CHECK(error.message == "cannot write " + (dir / "sub") + ": no such file or directory (open)");
  CHECK(error.hint == "create it, mount it, or set create_cert_dir = true");
}

TEST_CASE("a cert_dir that leads nowhere is not said to lack what is set") {
  const Scratch dir;
  fs::create_symlink("nowhere", dir / "certs");
  PublisherOptions options = options_for(dir / "certs");
  options.create_cert_dir = true;
  Publisher publisher = make_publisher(options);
  CHECK(must_fail(publish(publisher, make_set("1"))).hint.empty());
}

TEST_CASE("create_cert_dir makes it with its parents, mode 0755 whatever the umask") {
  const Scratch dir;
  in_child([&] {
    ::umask(0077);
    PublisherOptions options = options_for(dir / "a/b/certs");
    options.create_cert_dir = true;
    options.names = {"sub/svid.pem", "sub/svid_key.pem", "sub/svid_bundle.pem"};
    Publisher publisher = make_publisher(options);
    must_publish(publisher, make_set("1", "sub/"));
    return holds_version(dir / "a/b/certs/sub", "1") && mode_of(dir / "a") == 0755 &&
           mode_of(dir / "a/b/certs") == 0755 && mode_of(dir / "a/b/certs/sub") == 0755;
  });
}

TEST_CASE("a cert_dir that was replaced is noticed, told once, and published to") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    fs::create_directory(dir / "certs");
    Publisher publisher = make_publisher(options_for(dir / "certs", layout));
    must_publish(publisher, make_set("1"));
    CHECK(publisher.check() == false);
    fs::rename(dir / "certs", dir / "old");
    CHECK_FALSE(publisher.check());
    must_fail(publish(publisher, make_set("1")));
    fs::create_directory(dir / "certs");
    CHECK(publisher.check() == true);
    CHECK(publisher.check() == false);
    CHECK(must_publish(publisher, make_set("1")).change == Change::published);
    CHECK(holds_version(dir / "certs", "1"));

    fs::rename(dir / "certs", dir / "older");
    fs::create_directory(dir / "certs");
    const Outcome outcome = must_publish(publisher, make_set("1"));
    CHECK(outcome.moved);
    CHECK(outcome.change == Change::published);
    CHECK_FALSE(must_publish(publisher, make_set("2")).moved);
    CHECK(holds_version(dir / "certs", "2"));
    CHECK(holds_version(dir / "older", "1"));
  }
}

TEST_CASE("a directory below cert_dir that was replaced is noticed") {
  const Scratch dir;
  fs::create_directory(dir / "sub");
  PublisherOptions options = options_for(dir.path());
  options.names = {"sub/svid.pem"};
  Publisher publisher = make_publisher(options);
  must_publish(publisher, make_set("1", "sub/"));
  fs::rename(dir / "sub", dir / "old");
  fs::create_directory(dir / "sub");
  CHECK(must_publish(publisher, make_set("1", "sub/")).moved);
  CHECK(holds_version(dir / "sub", "1"));
}

TEST_CASE("cert_dir may be a symlink, and may be led elsewhere") {
  const Scratch dir;
  fs::create_directory(dir / "a");
  fs::create_directory(dir / "b");
  fs::create_directory_symlink("a", dir / "certs");
  Publisher publisher = make_publisher(options_for(dir / "certs"));
  must_publish(publisher, make_set("1"));
  CHECK(holds_version(dir / "a", "1"));
  fs::remove(dir / "certs");
  fs::create_directory_symlink("b", dir / "certs");
  CHECK(must_publish(publisher, make_set("1")).moved);
  CHECK(holds_version(dir / "b", "1"));
}

TEST_CASE("below cert_dir no symlink is followed") {
  const Scratch dir;
  const Scratch outside;
  fs::create_directory_symlink(outside.path(), dir / "sub");
  PublisherOptions options = options_for(dir.path());
  options.names = {"sub/svid.pem"};
  for (const bool create : {false, true}) {
    options.create_cert_dir = create;
    Publisher publisher = make_publisher(options);
    CHECK(must_fail(publish(publisher, make_set("1", "sub/")))
              .message.starts_with("cannot write " + (dir / "sub") + ": "));
    CHECK(entries(outside.path()).empty());
  }
}

TEST_CASE("with and without openat2 a directory below another opens the same way") {
  const Scratch dir;
  const Scratch outside;
  fs::create_directories(dir / "a/b");
  fs::create_directory_symlink(outside.path(), dir / "a/link");
  write(dir / "a/file", "");
  const Fd root(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const auto& open : {open_beneath, open_by_components}) {
    CHECK(open(root.get(), "a/b", false));
    for (const std::string bad : {"a/link", "a/link/x", "a/file", "../x", "a/../../x", "a/missing"}) {
      INFO(bad);
      CHECK_FALSE(open(root.get(), bad, false));
    }
    CHECK(open(root.get(), "a/missing", false).error().sys == ENOENT);
    CHECK(open(root.get(), "new/one", true));
    CHECK(mode_of(dir / "new/one") == 0755);
    fs::remove_all(dir / "new");
  }
}

TEST_CASE("a kernel or a sandbox without openat2 is no obstacle") {
  for (const int code : {ENOSYS, EPERM}) {
    const Scratch dir;
    fs::create_directories(dir / "a/b");
    in_child([&] {
      if (!deny_syscall(SYS_openat2, code)) return false;
      PublisherOptions options = options_for(dir.path());
      options.names = {"a/b/svid.pem", "a/b/svid_key.pem", "a/b/svid_bundle.pem"};
      Publisher publisher = make_publisher(options);
      must_publish(publisher, make_set("1", "a/b/"));
      return holds_version(dir / "a/b", "1");
    });
  }
}

TEST_CASE("without a cert_dir names are taken from the working directory, and absolute ones stay") {
  const Scratch dir;
  fs::create_directories(dir / "work");
  fs::create_directories(dir / "other");
  in_child([&] {
    if (::chdir((dir / "work").c_str()) != 0) return false;
    PublisherOptions options;
    options.names = {"svid.pem", dir / "other/svid_key.pem", dir / "other/svid_bundle.pem"};
    Publisher publisher = make_publisher(options);
    FileSet set = make_set("1");
    set.files[1].name = dir / "other/svid_key.pem";
    set.files[2].name = dir / "other/svid_bundle.pem";
    must_publish(publisher, set);
    fs::remove_all(dir / "work/..lock");
    fs::create_directory(dir / "work/..lock");
    Publisher blocked = make_publisher({.names = {"x.pem"}});
    return content_of(dir / "work/svid.pem") == "certificate 1" &&
           content_of(dir / "other/svid_key.pem") == "key 1" &&
           blocked.open().error().message == "cannot write ..lock: it is not a regular file";
  });
}

TEST_CASE("two outputs of one name, and names that are none, are configuration errors") {
  const auto refused = [](std::vector<std::string> names) {
    const auto publisher = Publisher::create({.cert_dir = "/certs", .names = std::move(names)});
    return !publisher && publisher.error().kind == ErrorKind::config;
  };
  CHECK(refused({"a/x.pem", "a//x.pem"}));
  CHECK(refused({"/x.pem", "x.pem"}));
  CHECK(refused({"../x.pem"}));
  CHECK(refused({""}));
  CHECK_FALSE(refused({"a/x.pem", "x.pem"}));
}

TEST_CASE("a file of a directory that the publisher was not told of is an error") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  CHECK(must_fail(publish(publisher, make_set("1", "sub/"))).message ==
        "cannot write \"sub/svid.pem\": not in a directory of this publisher");
}

}  // namespace spiffe::output::test
