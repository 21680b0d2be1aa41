#include "identity/spiffe_id.hh"

#include <string>

#include "support/catch.hh"

using spiffe::identity::SpiffeId;
using spiffe::identity::TrustDomain;

namespace {

std::string id_refusal(std::string_view uri) {
  const auto id = SpiffeId::parse(uri);
  return id ? "accepted as " + id->str() : id.error().message;
}

std::string domain_refusal(std::string_view name) {
  const auto domain = TrustDomain::parse(name);
  return domain ? "accepted as " + domain->name() : domain.error().message;
}

struct Case {
  std::string uri;
  std::string rule;
};

}  // namespace

TEST_CASE("trust domains need not be DNS names") {
  for (const std::string name : {"example.org", "example..org", "-x", ".", "..", "_", "a", "1.2.3.4", "x-"}) {
    CAPTURE(name);
    const auto domain = TrustDomain::parse(name);
    REQUIRE(domain);
    CHECK(domain->name() == name);
    CHECK(domain->id() == "spiffe://" + name);
    const auto id = SpiffeId::parse("spiffe://" + name + "/web");
    REQUIRE(id);
    CHECK(id->trust_domain() == *domain);
    CHECK(id->path() == "/web");
  }
}

TEST_CASE("the scheme of an ID is read in any case and written in lower case") {
  for (const std::string uri :
       {"spiffe://example.org/a", "SPIFFE://example.org/a", "SpIfFe://example.org/a"}) {
    const auto id = SpiffeId::parse(uri);
    REQUIRE(id);
    CHECK(id->str() == "spiffe://example.org/a");
  }
}

TEST_CASE("the error about a trust domain names what is wrong") {
  const Case cases[] = {
      {"", "invalid SPIFFE ID \"\": it is empty"},
      {"example.org/web", "invalid SPIFFE ID \"example.org/web\": the scheme must be spiffe"},
      {"http://example.org", "invalid SPIFFE ID \"http://example.org\": the scheme must be spiffe"},
      {"://example.org", "invalid SPIFFE ID \"://example.org\": the scheme must be spiffe"},
      {" spiffe://example.org", "invalid SPIFFE ID \" spiffe://example.org\": the scheme must be spiffe"},
      {"spiffe:", "invalid SPIFFE ID \"spiffe:\": two slashes must follow the scheme"},
      {"spiffe:/a/b", "invalid SPIFFE ID \"spiffe:/a/b\": two slashes must follow the scheme"},
      {"spiffe://", "invalid SPIFFE ID \"spiffe://\": the trust domain is empty"},
      {"spiffe:///web", "invalid SPIFFE ID \"spiffe:///web\": the trust domain is empty"},
      {"spiffe://Example.org/a",
       "invalid SPIFFE ID \"spiffe://Example.org/a\": the trust domain must be lower-case"},
      {"spiffe://user@example.org/a",
       "invalid SPIFFE ID \"spiffe://user@example.org/a\": user info is not allowed"},
      {"spiffe://user:pw@example.org/a",
       "invalid SPIFFE ID \"spiffe://user:pw@example.org/a\": user info is not allowed"},
      {"spiffe://example.org:80/a", "invalid SPIFFE ID \"spiffe://example.org:80/a\": a port is not allowed"},
      {"spiffe://example.org:/a", "invalid SPIFFE ID \"spiffe://example.org:/a\": a port is not allowed"},
      {"spiffe://ex%61mple.org/a",
       "invalid SPIFFE ID \"spiffe://ex%61mple.org/a\": percent-encoding is not allowed"},
      {"spiffe://[::1]/a",
       "invalid SPIFFE ID \"spiffe://[::1]/a\": an IPv6 literal is not allowed as trust domain"},
      {"spiffe://exa mple/a",
       "invalid SPIFFE ID \"spiffe://exa mple/a\": the trust domain may hold only a-z, 0-9, '-', '.' and "
       "'_', not \" \""},
      {"spiffe://exämple/a",
       "invalid SPIFFE ID \"spiffe://exämple/a\": the trust domain may hold only a-z, 0-9, '-', '.' and '_', "
       "not \"ä\""},
      {"spiffe://example.org?x", "invalid SPIFFE ID \"spiffe://example.org?x\": a query is not allowed"},
      {"spiffe://example.org/a?", "invalid SPIFFE ID \"spiffe://example.org/a?\": a query is not allowed"},
      {"spiffe://example.org/a#b",
       "invalid SPIFFE ID \"spiffe://example.org/a#b\": a fragment is not allowed"},
      {"spiffe://example.org#", "invalid SPIFFE ID \"spiffe://example.org#\": a fragment is not allowed"},
  };
  for (const auto& [uri, rule] : cases) CHECK(id_refusal(uri) == rule);
}

TEST_CASE("control characters in an ID are shown escaped") {
  CHECK(
      id_refusal(std::string_view("spiffe://a\0b/c", 14)) ==
      "invalid SPIFFE ID \"spiffe://a\\x00b/c\": the trust domain may hold only a-z, 0-9, '-', '.' and '_', "
      "not \"\\x00\"");
  CHECK(
      id_refusal("spiffe://a/\x1b[2J") ==
      "invalid SPIFFE ID \"spiffe://a/\\x1b[2J\": the path may hold only letters, digits, '-', '.' and '_', "
      "not \"\\x1b\"");
  CHECK(
      id_refusal("spiffe://a/\xff") ==
      "invalid SPIFFE ID \"spiffe://a/\\xff\": the path may hold only letters, digits, '-', '.' and '_', not "
      "\"\\xff\"");
}

TEST_CASE("a trust domain has at most 255 bytes") {
  CHECK(TrustDomain::parse(std::string(255, 'a')));
  CHECK(domain_refusal(std::string(256, 'a')) == "invalid trust domain \"" + std::string(120, 'a') +
                                                     "\"…: the trust domain has 256 bytes, more than 255");
}

TEST_CASE("the name of a trust domain is not its ID") {
  CHECK(domain_refusal("") == "invalid trust domain \"\": the trust domain is empty");
  CHECK(domain_refusal("Example.org") ==
        "invalid trust domain \"Example.org\": the trust domain must be lower-case");
  CHECK(domain_refusal("example.org/a") ==
        "invalid trust domain \"example.org/a\": the trust domain may hold only a-z, 0-9, '-', '.' and '_', "
        "not \"/\"");
  CHECK_FALSE(TrustDomain::parse("spiffe://example.org"));
}

TEST_CASE("a trust domain is given by name or by ID") {
  CHECK(TrustDomain::parse_name_or_id("example.org")->name() == "example.org");
  CHECK(TrustDomain::parse_name_or_id("spiffe://example.org")->name() == "example.org");
  CHECK(TrustDomain::parse_name_or_id("SPIFFE://example.org")->name() == "example.org");
  CHECK(TrustDomain::parse_name_or_id("spiffe://example.org/a").error().message ==
        "invalid trust domain \"spiffe://example.org/a\": the ID of a trust domain has no path");
  CHECK_FALSE(TrustDomain::parse_name_or_id("https://example.org"));
  CHECK_FALSE(TrustDomain::parse_name_or_id("spiffe:example.org"));
}

TEST_CASE("valid paths of an ID are accepted") {
  for (const std::string path :
       {"", "/a", "/a/b", "/...", "/.x", "/x.", "/..x", "/-", "/_", "/A.b-C_9/0", "/a/.../b"}) {
    CAPTURE(path);
    const auto id = SpiffeId::parse("spiffe://example.org" + path);
    REQUIRE(id);
    CHECK(id->path() == path);
    CHECK(id->str() == "spiffe://example.org" + path);
  }
}

TEST_CASE("the error about a path names what is wrong") {
  const Case cases[] = {
      {"spiffe://a/", "invalid SPIFFE ID \"spiffe://a/\": a trailing slash is not allowed"},
      {"spiffe://a/b/", "invalid SPIFFE ID \"spiffe://a/b/\": a trailing slash is not allowed"},
      {"spiffe://a//b", "invalid SPIFFE ID \"spiffe://a//b\": the path has an empty segment"},
      {"spiffe://a/b//c", "invalid SPIFFE ID \"spiffe://a/b//c\": the path has an empty segment"},
      {"spiffe://a/.", "invalid SPIFFE ID \"spiffe://a/.\": the path has a segment \".\""},
      {"spiffe://a/./b", "invalid SPIFFE ID \"spiffe://a/./b\": the path has a segment \".\""},
      {"spiffe://a/b/../c", "invalid SPIFFE ID \"spiffe://a/b/../c\": the path has a segment \"..\""},
      {"spiffe://a/%41", "invalid SPIFFE ID \"spiffe://a/%41\": percent-encoding is not allowed"},
      {"spiffe://a/b c",
       "invalid SPIFFE ID \"spiffe://a/b c\": the path may hold only letters, digits, '-', '.' and '_', not "
       "\" \""},
      {"spiffe://a/b:c",
       "invalid SPIFFE ID \"spiffe://a/b:c\": the path may hold only letters, digits, '-', '.' and '_', not "
       "\":\""},
      {"spiffe://a/ü",
       "invalid SPIFFE ID \"spiffe://a/ü\": the path may hold only letters, digits, '-', '.' and '_', not "
       "\"ü\""},
  };
  for (const auto& [uri, rule] : cases) CHECK(id_refusal(uri) == rule);
}

TEST_CASE("an ID has at most 2048 bytes") {
  const std::string head = "spiffe://example.org/";
  CHECK(SpiffeId::parse(head + std::string(2048 - head.size(), 'a')));
  const std::string message = id_refusal(head + std::string(2049 - head.size(), 'a'));
  CHECK(message.ends_with("…: it has 2049 bytes, more than 2048"));
  CHECK(message.size() < 300);
}

TEST_CASE("IDs are ordered by trust domain, then path") {
  CHECK(*SpiffeId::parse("spiffe://a/b") == *SpiffeId::parse("SPIFFE://a/b"));
  CHECK(*SpiffeId::parse("spiffe://a/b") != *SpiffeId::parse("spiffe://a/B"));
  CHECK(*SpiffeId::parse("spiffe://a/z") < *SpiffeId::parse("spiffe://b/a"));
  CHECK(*TrustDomain::parse("a") < *TrustDomain::parse("b"));
}

TEST_CASE("a refused ID is an error of verification") {
  CHECK(SpiffeId::parse("x").error().kind == spiffe::ErrorKind::verification);
}
