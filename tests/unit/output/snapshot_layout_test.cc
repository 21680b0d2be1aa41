// The snapshot layout on disk, and the effects of a second publication.
#include <chrono>

#include <unistd.h>

#include "scratch.hh"
#include "support/catch.hh"

namespace spiffe::output::test {

using namespace std::chrono_literals;

TEST_CASE("snapshot layout: leaf links lead through ..data into one generation") {
  for (const std::string& base : kMemoryAndDisk) {
    const Scratch dir(base);
    Publisher publisher = make_publisher(options_for(dir.path()));
    const Outcome outcome = must_publish(publisher, make_set("1"));
    CHECK(outcome.change == Change::published);
    CHECK_FALSE(outcome.moved);
    CHECK(outcome.notices.empty());
    CHECK(publisher.on_memory() == (base == "/dev/shm"));
    CHECK(link_of(dir / "..data") == "..gen." + outcome.generation);
    for (const std::string& name : kNames) CHECK(link_of(dir / name) == "..data/" + name);
    CHECK(holds_version(dir.path(), "1"));
    CHECK(mode_of(dir / "svid_key.pem") == 0600);
    CHECK(mode_of(dir / "svid.pem") == 0644);
    CHECK(mode_of(dir / ("..gen." + outcome.generation)) == 0755);
    CHECK(entries(dir.path()) == std::vector<std::string>{"..data", "..gen." + outcome.generation, "..lock",
                                                          "svid.pem", "svid_bundle.pem", "svid_key.pem"});
  }
}

TEST_CASE("the umask does not affect modes") {
  const Scratch dir;
  in_child([&] {
    ::umask(0777);
    Publisher publisher = make_publisher(options_for(dir.path()));
    const Outcome outcome = must_publish(publisher, make_set("1"));
    return mode_of(dir / "svid.pem") == 0644 && mode_of(dir / "svid_key.pem") == 0600 &&
           mode_of(dir / ("..gen." + outcome.generation)) == 0755;
  });
}

TEST_CASE("a mode without write permission does not stop the next publication") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    in_child([&] {
      if (is_root()) {
        REQUIRE(::chown(dir.path().c_str(), 12345, 12345) == 0);
        become(12345, 12345);
      }
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      for (const std::string version : {"1", "2"}) {
        FileSet set = make_set(version);
        for (File& file : set.files) file.mode = 0444;
        must_publish(publisher, set);
        if (!holds_version(dir.path(), version) || mode_of(dir / "svid.pem") != 0444) return false;
      }
      return true;
    });
  }
}

TEST_CASE("unchanged content makes no new generation") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  const Outcome first = must_publish(publisher, make_set("1"));
  const Outcome second = must_publish(publisher, make_set("1"));
  CHECK(second.change == Change::unchanged);
  CHECK(second.generation == first.generation);
  CHECK(entries(dir.path(), "..gen.").size() == 1);
}

TEST_CASE("after a restart, unchanged content is recognized on disk") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    {
      Publisher publisher = make_publisher(options_for(dir.path(), layout));
      must_publish(publisher, make_set("1"));
    }
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    CHECK(must_publish(publisher, make_set("1")).change == Change::unchanged);
    CHECK(must_publish(publisher, make_set("2")).change == Change::published);
    CHECK(holds_version(dir.path(), "2"));
  }
}

TEST_CASE("a superseded generation stays for ten seconds") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  const BootTime start = BootClock::now();
  const Outcome first = must_publish(publisher, make_set("1"), start);
  CHECK_FALSE(publisher.next_tidy());
  const Outcome second = must_publish(publisher, make_set("2"), start + 1s);
  CHECK(publisher.next_tidy() == start + 11s);
  publisher.tidy(start + 10s);
  CHECK(content_of(dir / ("..gen." + first.generation + "/svid.pem")) == "certificate 1");
  publisher.tidy(start + 11s);
  CHECK(entries(dir.path(), "..gen.") == std::vector<std::string>{"..gen." + second.generation});
  CHECK_FALSE(publisher.next_tidy());
  CHECK(holds_version(dir.path(), "2"));
}

TEST_CASE("at most 64 generations are kept; the oldest is removed first") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  const std::string oldest = must_publish(publisher, make_set("0")).generation;
  std::string last;
  for (int i = 1; i <= 63; ++i) last = must_publish(publisher, make_set(std::to_string(i))).generation;
  CHECK(entries(dir.path(), "..gen.").size() == 64);
  CHECK(entries(dir.path(), "..gen." + oldest).size() == 1);
  last = must_publish(publisher, make_set("64")).generation;
  CHECK(entries(dir.path(), "..gen.").size() == 64);
  CHECK(entries(dir.path(), "..gen." + oldest).empty());
  CHECK(entries(dir.path(), "..gen.").back() == "..gen." + last);
  // tidy() makes room for the next one between publications.
  CHECK(publisher.next_tidy() < BootClock::now());
  publisher.tidy(BootClock::now());
  CHECK(entries(dir.path(), "..gen.").size() == 63);
  CHECK(publisher.next_tidy() > BootClock::now());
}

TEST_CASE("an orderly end leaves one generation and no temporaries") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  for (const std::string version : {"1", "2", "3"}) must_publish(publisher, make_set(version));
  write(dir / "..tmp.0123456789abcdef-1", "left over");
  publisher.finish();
  CHECK(entries(dir.path(), "..gen.").size() == 1);
  CHECK(entries(dir.path(), "..tmp.").empty());
  CHECK(holds_version(dir.path(), "3"));
}

TEST_CASE("a watcher of a file's name sees it arrive at every publication") {
  const Scratch dir;
  Publisher publisher = make_publisher(options_for(dir.path()));
  must_publish(publisher, make_set("1"));
  const Watcher watcher(dir.path());
  must_publish(publisher, make_set("2"));
  // The certificate comes last: a reader that reloads on it finds the other files in place.
  CHECK(watcher.moved_to() ==
        std::vector<std::string>{"..data", "svid_bundle.pem", "svid_key.pem", "svid.pem"});
}

TEST_CASE("a name that is no longer in the set is removed") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    FileSet set = make_set("1");
    set.files.push_back(make_file("other.example.pem", "a federated bundle"));
    must_publish(publisher, set);
    CHECK(content_of(dir / "other.example.pem") == "a federated bundle");
    set.files.pop_back();
    CHECK(must_publish(publisher, set).change == Change::published);
    CHECK(entries(dir.path(), "other").empty());
    CHECK(holds_version(dir.path(), "1"));
  }
}

TEST_CASE("snapshot layout: a name dropped between two runs is removed") {
  const Scratch dir;
  {
    Publisher publisher = make_publisher(options_for(dir.path()));
    must_publish(publisher, make_set("1"));
  }
  PublisherOptions options = options_for(dir.path());
  options.names = {"svid.pem", "svid_key.pem"};
  Publisher publisher = make_publisher(options);
  FileSet set = make_set("1");
  set.files.pop_back();
  CHECK(must_publish(publisher, set).change == Change::published);
  CHECK(entries(dir.path(), "svid") == std::vector<std::string>{"svid.pem", "svid_key.pem"});
}

TEST_CASE("outputs in different directories form one snapshot each") {
  const Scratch dir;
  fs::create_directories(dir / "a/b");
  PublisherOptions options = options_for(dir.path());
  options.names = {"a/b/svid.pem", "a/b/svid_key.pem", "a/b/svid_bundle.pem", "extra.pem"};
  Publisher publisher = make_publisher(options);
  FileSet set = make_set("1", "a/b/");
  set.files.push_back(make_file("extra.pem", "extra 1"));
  must_publish(publisher, set);
  CHECK(holds_version(dir / "a/b", "1"));
  CHECK(content_of(dir / "extra.pem") == "extra 1");
  CHECK(link_of(dir / "a/b/..data").starts_with("..gen."));
  CHECK(link_of(dir / "..data").starts_with("..gen."));
}

TEST_CASE("the directory of the certificate changes last, whatever its name") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    fs::create_directory(dir / "certs");
    fs::create_directory(dir / "private");
    PublisherOptions options = options_for(dir.path(), layout);
    options.names = {"certs/svid.pem", "certs/svid_bundle.pem", "private/svid_key.pem"};
    const auto set = [](const std::string& version) {
      FileSet files = make_set(version);
      for (File& file : files.files)
        file.name.insert(0, file.contents == Contents::key ? "private/" : "certs/");
      return files;
    };
    Publisher publisher = make_publisher(options);
    must_publish(publisher, set("1"));
    // The key cannot be written, so readers must not be notified of a new certificate.
    fs::remove(dir / "private/svid_key.pem");
    fs::create_directory(dir / "private/svid_key.pem");
    must_fail(publish(publisher, set("2")));
    CHECK(content_of(dir / "certs/svid.pem") == "certificate 1");
    fs::remove(dir / "private/svid_key.pem");
    must_publish(publisher, set("2"));
    CHECK(content_of(dir / "certs/svid.pem") == "certificate 2");
    CHECK(content_of(dir / "private/svid_key.pem") == "key 2");
  }
}

TEST_CASE("a single file is a plain file and does not affect the set") {
  const Scratch dir;
  PublisherOptions options = options_for(dir.path());
  options.names.push_back("jwt.token");
  Publisher publisher = make_publisher(options);
  const Outcome set = must_publish(publisher, make_set("1"));
  auto single = publish_alone(publisher, make_file("jwt.token", "token 1", 0600));
  REQUIRE(single);
  CHECK(single->change == Change::published);
  CHECK(link_of(dir / "jwt.token").empty());
  CHECK(content_of(dir / "jwt.token") == "token 1");
  CHECK(mode_of(dir / "jwt.token") == 0600);
  CHECK(link_of(dir / "..data") == "..gen." + set.generation);
  CHECK(publish_alone(publisher, make_file("jwt.token", "token 1", 0600))->change == Change::unchanged);
  must_publish(publisher, make_set("2"));
  CHECK(content_of(dir / "jwt.token") == "token 1");
}

TEST_CASE("withdrawn files are removed from all generations and return with the next publication") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    must_publish(publisher, make_set("1"));
    must_publish(publisher, make_set("2"));
    const std::vector<std::string> keys = {"svid_key.pem"};
    const auto gone = publisher.withdraw(keys);
    REQUIRE(gone);
    CHECK(gone->change == Change::published);
    for (const auto& entry : fs::recursive_directory_iterator(dir.path())) {
      CHECK(entry.path().filename() != "svid_key.pem");
    }
    CHECK(content_of(dir / "svid.pem") == "certificate 2");
    CHECK(publisher.withdraw(keys)->change == Change::unchanged);
    CHECK(must_publish(publisher, make_set("2")).change == Change::published);
    CHECK(holds_version(dir.path(), "2"));
  }
}

TEST_CASE("withdrawing a file before the first publication removes it from an earlier run's files") {
  for (const Layout layout : {Layout::snapshot, Layout::files, Layout::in_place}) {
    const Scratch dir;
    {
      Publisher publisher = make_publisher(options_for(dir.path()));
      must_publish(publisher, make_set("1"));
    }
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    REQUIRE(publisher.withdraw(std::vector<std::string>{"svid_key.pem"}));
    for (const auto& entry : fs::recursive_directory_iterator(dir.path())) {
      CHECK(entry.path().filename() != "svid_key.pem");
    }
    CHECK(content_of(dir / "svid.pem") == "certificate 1");
    must_publish(publisher, make_set("1"));
    CHECK(holds_version(dir.path(), "1"));
  }
}

}  // namespace spiffe::output::test
