#include "dev_agent/jwt_authority.hh"

#include "dev_agent/spoilers.hh"
#include "support/catch.hh"

using namespace spiffe;
using namespace spiffe::dev_agent;
using namespace std::chrono_literals;

TEST_CASE("a token is valid for its audiences until it expires") {
  const auto authority = JwtAuthority::create().value();
  JwtDraft draft = authority.draft("spiffe://example.org/web", {"a", "b"}, 60s);
  const auto claims = authority.validate(authority.sign(draft).value(), "b");
  REQUIRE(claims);
  CHECK(claims->subject == "spiffe://example.org/web");
  CHECK(authority.validate(authority.sign(draft).value(), "c").error().message ==
        "token is for another audience");
  draft.expires_at = wall_now() - 1s;
  CHECK(authority.validate(authority.sign(draft).value(), "b").error().message == "token has expired");
}

TEST_CASE("a token of the previous key is valid, one of the key before that is not") {
  auto authority = JwtAuthority::create().value();
  const std::string token = authority.sign(authority.draft("spiffe://example.org/x", {"a"}, 60s)).value();
  REQUIRE(authority.rotate());
  CHECK(authority.validate(token, "a"));
  REQUIRE(authority.rotate());
  CHECK(authority.validate(token, "a").error().message == "token is signed by a key that is not ours");
}

TEST_CASE("changed and malformed tokens are refused") {
  const auto authority = JwtAuthority::create().value();
  JwtDraft draft = authority.draft("spiffe://example.org/x", {"a"}, 60s);
  spoilers::jwt_bad_signature(draft);
  CHECK(authority.validate(authority.sign(draft).value(), "a").error().message ==
        "token has a bad signature");
  for (const char* text :
       {"", ".", "..", "a.b", "e30.e30.", "e30.e30.AAAA", "W10.W10.AA", "e30.e30.e30.e30"}) {
    INFO(text);
    CHECK_FALSE(authority.validate(text, "a"));
  }
}
