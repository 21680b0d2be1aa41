#include "output/own_directory.hh"

#include "support/catch.hh"
#include "unit/output/scratch.hh"

namespace spiffe::output::test {

namespace {

PublisherOptions options(const Scratch& scratch, Layout layout) {
  PublisherOptions out = options_for(scratch.path(), layout);
  out.names = {"svid.pem", "dir/*"};
  out.members = {{"dir/*", "*.pem fixed.yaml"}};
  out.create_cert_dir = true;
  return out;
}

FileSet set_of(const std::vector<std::string>& members) {
  FileSet out;
  out.files.push_back(make_file("svid.pem", "svid", 0644, Contents::certificate));
  for (const std::string& each : members)
    out.files.push_back(make_file("dir/" + each, each, 0644, Contents::trust));
  return out;
}

// Names, except the publisher's own.
std::vector<std::string> members(const Scratch& scratch) {
  std::vector<std::string> out = entries(scratch / "dir");
  std::erase_if(out, [](const std::string& name) { return name.starts_with(".."); });
  return out;
}

}  // namespace

TEST_CASE("members are the names that match a pattern or a word") {
  CHECK(is_member("*.pem", "a.pem"));
  CHECK(is_member("*.pem", ".a.pem"));
  CHECK_FALSE(is_member("*.pem", ".pem"));
  CHECK_FALSE(is_member("*.pem", "..a.pem"));
  CHECK_FALSE(is_member("*.pem", "a.yaml"));
  CHECK(is_member("a.yaml b.yaml", "b.yaml"));
  CHECK_FALSE(is_member("a.yaml b.yaml", "c.yaml"));
  CHECK(fixed_members("a.yaml *.pem b.yaml") == std::vector<std::string>{"a.yaml", "b.yaml"});
}

TEST_CASE("a directory contains the members of the last set") {
  for (const Layout layout : kLayouts) {
    const Scratch scratch;
    Publisher publisher = make_publisher(options(scratch, layout));
    must_publish(publisher, set_of({"a.pem", "b.pem"}));
    CHECK(members(scratch) == std::vector<std::string>{"a.pem", "b.pem"});
    CHECK(must_publish(publisher, set_of({"b.pem", "c.pem"})).change == Change::published);
    CHECK(members(scratch) == std::vector<std::string>{"b.pem", "c.pem"});
    CHECK(must_publish(publisher, set_of({"b.pem", "c.pem"})).change == Change::unchanged);
  }
}

TEST_CASE("the first publication removes members left by an earlier run") {
  for (const Layout before : kLayouts) {
    for (const Layout after : kLayouts) {
      const Scratch scratch;
      must_publish(*std::make_unique<Publisher>(make_publisher(options(scratch, before))),
                   set_of({"a.pem", "b.pem"}));
      Publisher publisher = make_publisher(options(scratch, after));
      must_publish(publisher, set_of({"b.pem"}));
      CHECK(members(scratch) == std::vector<std::string>{"b.pem"});
      CHECK(content_of(scratch / "dir/b.pem") == "b.pem");
    }
  }
}

TEST_CASE("a member that may be another program's is not removed, and nothing is published") {
  for (const Layout layout : kLayouts) {
    const Scratch scratch;
    fs::create_directory(scratch / "dir");
    write(scratch / "dir/root.pem", "a root");
    write(scratch / "dir/README", "mine");
    Publisher publisher = make_publisher(options(scratch, layout));
    const Error error = must_fail(publish(publisher, set_of({"a.pem"})));
    CHECK(error.message == "cannot write " + (scratch / "dir") +
                               ": \"root.pem\" would have to be removed, and may be another program's, as "
                               "\"README\" is");
    CHECK(members(scratch) == std::vector<std::string>{"README", "root.pem"});
    CHECK(content_of(scratch / "svid.pem") == "<missing>");
    fs::remove(scratch / "dir/README");
    must_publish(publisher, set_of({"a.pem"}));
    CHECK(members(scratch) == std::vector<std::string>{"a.pem"});
  }
}

TEST_CASE("a stray file that is not a member stays") {
  const Scratch scratch;
  fs::create_directory(scratch / "dir");
  write(scratch / "dir/README", "mine");
  Publisher publisher = make_publisher(options(scratch, Layout::files));
  must_publish(publisher, set_of({"a.pem"}));
  CHECK(members(scratch) == std::vector<std::string>{"README", "a.pem"});
}

TEST_CASE("a stray symlink is removed, but not its target") {
  for (const Layout layout : kLayouts) {
    const Scratch scratch;
    fs::create_directory(scratch / "dir");
    write(scratch / "elsewhere", "kept");
    fs::create_symlink(scratch / "elsewhere", scratch / "dir/old.pem");
    Publisher publisher = make_publisher(options(scratch, layout));
    must_publish(publisher, set_of({"a.pem"}));
    CHECK(members(scratch) == std::vector<std::string>{"a.pem"});
    CHECK(content_of(scratch / "elsewhere") == "kept");
  }
}

TEST_CASE("withdrawing a directory removes all members from all generations, and nothing else") {
  for (const Layout layout : kLayouts) {
    const Scratch scratch;
    must_publish(*std::make_unique<Publisher>(make_publisher(options(scratch, layout))),
                 set_of({"a.pem", "fixed.yaml"}));
    write(scratch / "dir/README", "mine");
    // By a later run, which has not published a set.
    Publisher publisher = make_publisher(options(scratch, layout));
    const auto outcome = publisher.withdraw(std::vector<std::string>{"dir/*"});
    REQUIRE(outcome);
    CHECK(outcome->change == Change::published);
    for (const auto& each : fs::recursive_directory_iterator(scratch / "dir")) {
      if (each.is_regular_file())
        CHECK((each.path().filename() == "README" || each.path().filename() == "..lock"));
    }
    CHECK(content_of(scratch / "svid.pem") == "svid");
    must_publish(publisher, set_of({"a.pem", "fixed.yaml"}));
    CHECK(content_of(scratch / "dir/fixed.yaml") == "fixed.yaml");
  }
}

}  // namespace spiffe::output::test
