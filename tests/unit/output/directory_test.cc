// cert_dir and the directories below it: found, created, replaced, refused.
#include "output/directory.hh"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

TEST_CASE("a missing cert_dir is an error with a hint") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir / "certs"));
  const Error error = must_fail(publish(publisher, make_set("1")));
  CHECK(error.message == "cannot write " + (dir / "certs") + ": no such file or directory (open)");
  CHECK(error.hint == "create it, mount it, or set create_cert_dir = true");
  CHECK_FALSE(publisher.check());
  CHECK_FALSE(publisher.on_memory());
  fs::create_directory(dir / "certs");
  const Outcome outcome = must_publish(publisher, make_set("1"));
  CHECK_FALSE(outcome.moved);  // it is the first publication
  CHECK(holds_version(dir / "certs", "1"));
}

TEST_CASE("a missing directory below cert_dir is an error with the same hint") {
  const Scratch dir;
  PublisherOptions options = options_for(dir.path());
  for (std::string& name : options.names) name.insert(0, "sub/");
  Publisher publisher = make_publisher(options);
  const Error error = must_fail(publish(publisher, make_set("1", "sub/")));
  CHECK(error.message == "cannot write " + (dir / "sub") + ": no such file or directory (open)");
  CHECK(error.hint == "create it, mount it, or set create_cert_dir = true");
}

TEST_CASE("a cert_dir that is a dangling symlink has no hint to set create_cert_dir") {
  const Scratch dir;
  fs::create_symlink("nowhere", dir / "certs");
  PublisherOptions options = options_for(dir / "certs");
  options.create_cert_dir = true;
  Publisher publisher = make_publisher(options);
  CHECK(must_fail(publish(publisher, make_set("1"))).hint.empty());
}

TEST_CASE("create_cert_dir creates it with its parents, with mode 0755 for any umask") {
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

TEST_CASE("a replaced cert_dir is noticed, reported once, and published to") {
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

TEST_CASE("a replaced directory below cert_dir is noticed") {
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

TEST_CASE("cert_dir may be a symlink, whose target may change") {
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

TEST_CASE("symlinks below cert_dir are not followed") {
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

TEST_CASE("with and without openat2, a directory below another opens in the same way") {
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

TEST_CASE("files are published without openat2, on an old kernel or in a sandbox") {
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

TEST_CASE("without a cert_dir, names are relative to the working directory, and absolute names stay") {
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

TEST_CASE("duplicate and invalid names of outputs are configuration errors") {
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

TEST_CASE("a file in a directory that is not the publisher's is an error") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  CHECK(must_fail(publish(publisher, make_set("1", "sub/"))).message ==
        "cannot write \"sub/svid.pem\": not in a directory of this publisher");
}

}  // namespace spiffe::output::test
