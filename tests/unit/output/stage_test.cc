// Staged files are invisible until they are committed, and leave nothing behind if they never are.
#include "support/catch.hh"
#include "unit/output/scratch.hh"

namespace spiffe::output::test {

namespace {

FileSet token(std::string_view content) {
  FileSet set{.files = {}, .alone = true};
  set.files.push_back(make_file("jwt.token", content, 0600));
  return set;
}

PublisherOptions with_token(const Scratch& dir, Layout layout) {
  PublisherOptions options = options_for(dir.path(), layout);
  options.names.push_back("jwt.token");
  return options;
}

}  // namespace

TEST_CASE("staged files that are dropped leave nothing behind") {
  for (const std::string& base : kMemoryAndDisk) {
    for (const Layout layout : kLayouts) {
      const Scratch dir(base);
      Publisher publisher = make_publisher(with_token(dir, layout));
      must_publish(publisher, make_set("1"));
      const auto before = entries(dir.path());
      for (const std::string version : {"1", "2"}) {
        REQUIRE(publisher.stage(make_set(version)));
        CHECK(entries(dir.path()) == before);
      }
      REQUIRE(publisher.stage(token("token")));
      CHECK(entries(dir.path()) == before);
      CHECK(holds_version(dir.path(), "1"));
    }
  }
}

TEST_CASE("staged files become visible with the commit") {
  for (const Layout layout : kLayouts) {
    const Scratch dir;
    Publisher publisher = make_publisher(with_token(dir, layout));
    must_publish(publisher, make_set("1"));
    auto set = publisher.stage(make_set("2"));
    auto single = publisher.stage(token("token"));
    REQUIRE((set && single));
    CHECK(holds_version(dir.path(), "1"));
    CHECK(content_of(dir / "jwt.token") == "<missing>");
    CHECK(publisher.commit(*std::move(set))->change == Change::published);
    CHECK(holds_version(dir.path(), "2"));
    CHECK(publisher.commit(*std::move(single))->change == Change::published);
    CHECK(content_of(dir / "jwt.token") == "token");
    CHECK(publisher.commit(*publisher.stage(token("token")))->change == Change::unchanged);
  }
}

TEST_CASE("a set committed after another one replaces it, whenever it was staged") {
  for (const Layout layout : kLayouts) {
    const Scratch dir;
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    must_publish(publisher, make_set("1"));
    auto same = publisher.stage(make_set("1"));
    auto newer = publisher.stage(make_set("3"));
    REQUIRE((same && newer));
    must_publish(publisher, make_set("2"));
    CHECK(publisher.commit(*std::move(same))->change == Change::published);
    CHECK(holds_version(dir.path(), "1"));
    CHECK(publisher.commit(*std::move(newer))->change == Change::published);
    CHECK(holds_version(dir.path(), "3"));
  }
}

TEST_CASE("a key withdrawn after staging is restored by the commit") {
  for (const Layout layout : kLayouts) {
    const Scratch dir;
    Publisher publisher = make_publisher(options_for(dir.path(), layout));
    must_publish(publisher, make_set("1"));
    auto same = publisher.stage(make_set("1"));
    REQUIRE(same);
    REQUIRE(publisher.withdraw(std::vector<std::string>{"svid_key.pem"}));
    CHECK(content_of(dir / "svid_key.pem") == "<missing>");
    CHECK(publisher.commit(*std::move(same))->change == Change::published);
    CHECK(holds_version(dir.path(), "1"));
  }
}

TEST_CASE("staged files go to the directory that exists at the commit") {
  for (const Layout layout : kLayouts) {
    const Scratch dir;
    fs::create_directory(dir / "certs");
    Publisher publisher = make_publisher(options_for(dir / "certs", layout));
    must_publish(publisher, make_set("1"));
    auto staged = publisher.stage(make_set("2"));
    REQUIRE(staged);
    fs::rename(dir / "certs", dir / "old");
    fs::create_directory(dir / "certs");
    const auto outcome = publisher.commit(*std::move(staged));
    REQUIRE(outcome);
    CHECK(outcome->moved);
    CHECK(holds_version(dir / "certs", "2"));
    CHECK(holds_version(dir / "old", "1"));
    CHECK(entries(dir / "old", "..tmp.").empty());
  }
}

TEST_CASE("the unreported change of a set that failed midway is not reported for a single file") {
  const Scratch dir;
  Publisher publisher = make_publisher(with_token(dir, Layout::in_place));
  must_publish(publisher, make_set("1"));
  REQUIRE(publish(publisher, token("token")));
  // The key is replaced before the certificate, which cannot be replaced.
  fs::remove(dir / "svid.pem");
  fs::create_directory(dir / "svid.pem");
  must_fail(publish(publisher, make_set("2")));
  REQUIRE(content_of(dir / "svid_key.pem") == "key 2");
  CHECK(publish(publisher, token("token"))->change == Change::unchanged);
  fs::remove(dir / "svid.pem");
  CHECK(must_publish(publisher, make_set("2")).change == Change::published);
  CHECK(holds_version(dir.path(), "2"));
}

TEST_CASE("staged files may outlive their publisher") {
  for (const Layout layout : kLayouts) {
    const Scratch dir;
    std::optional<Publisher> publisher = make_publisher(options_for(dir.path(), layout));
    must_publish(*publisher, make_set("1"));
    const auto before = entries(dir.path());
    {
      const auto staged = publisher->stage(make_set("2"));
      REQUIRE(staged);
      publisher.reset();
    }
    CHECK(entries(dir.path()) == before);
  }
}

TEST_CASE("what a failed set has changed is reported with the set, not with a single file") {
  const Scratch dir;
  const fs::path second = dir / "second";
  fs::create_directory(second);
  PublisherOptions options = with_token(dir, Layout::files);
  options.names.push_back("second/extra.pem");
  Publisher publisher = make_publisher(options);
  const auto set_of = [](const std::string& version, const std::string& extra) {
    FileSet set = make_set(version);
    set.files.push_back(make_file("second/extra.pem", extra));
    return set;
  };
  must_publish(publisher, set_of("1", "old"));
  must_publish(publisher, token("token"));
  fs::remove(dir / "svid.pem");
  auto staged = publisher.stage(set_of("1", "new"));
  REQUIRE(staged);
  fs::create_directory(dir / "svid.pem");
  REQUIRE_FALSE(publisher.commit(*std::move(staged)));
  REQUIRE(content_of(second / "extra.pem") == "new");
  CHECK(must_publish(publisher, token("token")).change == Change::unchanged);
  fs::remove(dir / "svid.pem");
  // By itself, the rest would be a repair.
  CHECK(must_publish(publisher, set_of("1", "new")).change == Change::published);
  CHECK(must_publish(publisher, set_of("1", "new")).change == Change::unchanged);
}

}  // namespace spiffe::output::test
