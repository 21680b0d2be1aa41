#include "output/name.hh"

#include "support/catch.hh"

using spiffe::ErrorKind;
using spiffe::output::clean_name;
using spiffe::output::split_name;

namespace {

std::string cleaned(std::string_view cert_dir, std::string_view name) {
  auto clean = clean_name(cert_dir, name);
  INFO(name << ": " << (clean ? *clean : clean.error().message));
  REQUIRE(clean);
  return *clean;
}

}  // namespace

TEST_CASE("an output's name is joined with cert_dir as path.Join does it") {
  CHECK(cleaned("/certs", "svid.pem") == "svid.pem");
  CHECK(cleaned("/certs", "a//./b/../svid.pem") == "a/svid.pem");
  CHECK(cleaned("/certs", "/etc/x.pem") == "etc/x.pem");
  CHECK(cleaned("", "a/x.pem") == "a/x.pem");
  CHECK(cleaned("", "/etc/../x.pem") == "/x.pem");
  CHECK(cleaned("", "/etc//x.pem") == "/etc/x.pem");
  CHECK(cleaned("/certs", ".svid.pem") == ".svid.pem");
}

TEST_CASE("an invalid output name is a configuration error") {
  for (const std::string_view name : {"", "..", "../x", "a/../../x", ".", "/", "a/", "a/.", "x/..", "..data",
                                      "..gen.1/x", "a/..lock", "...", "a\nb"}) {
    const auto clean = clean_name("/certs", name);
    INFO(name);
    REQUIRE_FALSE(clean);
    CHECK(clean.error().kind == ErrorKind::config);
  }
  CHECK(clean_name("/certs", "../x").error().message == "output file \"../x\" leaves cert_dir");
}

TEST_CASE("a name is split at its last slash") {
  CHECK(split_name("a/b/c").directory == "a/b");
  CHECK(split_name("a/b/c").leaf == "c");
  CHECK(split_name("c").directory.empty());
  CHECK(split_name("/c").directory == "/");
  CHECK(split_name("/c").leaf == "c");
}
