#include "identity/jwt_svid.hh"

#include <limits>

#include <openssl/hmac.h>

#include "base/base64.hh"
#include "support/catch.hh"
#include "support/jwt.hh"

using namespace std::chrono_literals;
using nlohmann::json;
using spiffe::SecretBytes;
using spiffe::WallTime;
using spiffe::identity::JwtBundles;
using spiffe::identity::JwtSvid;
using spiffe::identity::JwtSvidMaterial;
using spiffe::identity::select_jwt_svid;
namespace test = spiffe::test;
using test::Key;

namespace {

constexpr const char* kTokenId = "spiffe://example.org/web";
const WallTime kTokenNow{1'800'000'000s};
const json kHeader = {{"alg", "ES256"}, {"kid", "k1"}, {"typ", "JWT"}};

const Key& key() {
  static const Key shared = Key::generate();
  return shared;
}

const JwtBundles& bundles() {
  static const JwtBundles shared =
      *JwtBundles::from({{"example.org", test::jwks({test::jwk(key(), "k1")})},
                         {"example.net", test::jwks({test::jwk(Key::generate(), "k2")})}},
                        nullptr, nullptr);
  return shared;
}

json claims(const json& changes = json::object()) {
  json all = {{"sub", kTokenId}, {"aud", {"db", "cache"}}, {"exp", 1'800'000'300}, {"iat", 1'799'999'900}};
  all.update(changes);
  return all;
}

json without(json object, const char* name) {
  object.erase(name);
  return object;
}

auto take(std::string_view token, const std::vector<std::string>& audiences = {"db"},
          std::string_view spiffe_id = kTokenId, WallTime now = kTokenNow) {
  return JwtSvid::parse_and_verify(SecretBytes(token), audiences, spiffe_id, bundles(), now);
}

std::string token_outcome(std::string_view token, const std::vector<std::string>& audiences = {"db"},
                          std::string_view spiffe_id = kTokenId, WallTime now = kTokenNow) {
  const auto svid = take(token, audiences, spiffe_id, now);
  if (svid) return "accepted";
  CHECK(svid.error().kind == spiffe::ErrorKind::verification);
  // An error may quote some header and claim values, but no piece of the encoded token.
  for (std::size_t at = 0; at + 12 <= token.size(); ++at) {
    if (svid.error().message.find(token.substr(at, 12)) != std::string::npos) FAIL("part of the token");
  }
  return svid.error().message;
}

std::string of(const json& body) {
  return token_outcome(test::token(key(), kHeader, body));
}

std::string hint_of(const json& body) {
  const auto svid = take(test::token(key(), kHeader, body));
  return svid ? "accepted" : svid.error().hint;
}

}  // namespace

TEST_CASE("a valid JWT-SVID is accepted") {
  const std::string token = test::token(key(), kHeader, claims());
  const auto svid = take(token, {"db", "cache"});
  REQUIRE(svid);
  CHECK(svid->token.text() == token);
  CHECK(svid->id.str() == kTokenId);
  CHECK(svid->audiences == std::vector<std::string>{"db", "cache"});
  CHECK(svid->expires_at == kTokenNow + 300s);
  CHECK(svid->issued_at == kTokenNow - 100s);
}

TEST_CASE("a tampered signature is refused") {
  std::string token = test::token(key(), kHeader, claims());
  const std::size_t dot = token.rfind('.');
  std::string signature(spiffe::base64url_decode(token.substr(dot + 1))->text());
  signature[40] = static_cast<char>(signature[40] ^ 4);
  CHECK(token_outcome(token.substr(0, dot + 1) + spiffe::base64url_encode(signature)) ==
        "the token's signature is wrong (key \"k1\" of \"example.org\")");
}

TEST_CASE("tampered claims are refused") {
  const std::string token = test::token(key(), kHeader, claims());
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  const std::string changed = spiffe::base64url_encode(claims({{"admin", true}}).dump());
  CHECK(token_outcome(token.substr(0, first + 1) + changed + token.substr(last)) ==
        "the token's signature is wrong (key \"k1\" of \"example.org\")");
}

TEST_CASE("a token without a signature is refused, whatever its alg") {
  const auto unsigned_token = [](const char* algorithm, std::string_view signature) {
    return spiffe::base64url_encode(json({{"alg", algorithm}, {"kid", "k1"}}).dump()) + "." +
           spiffe::base64url_encode(claims().dump()) + "." + std::string(signature);
  };
  CHECK(token_outcome(unsigned_token("none", "")) == "the token's alg is \"none\": it is not signed");
  CHECK(token_outcome(unsigned_token("none", "AAAA")) == "the token's alg is \"none\": it is not signed");
  CHECK(token_outcome(unsigned_token("ES256", "")) == "the token has no signature");
}

TEST_CASE("HS256 with the public key as secret is refused") {
  const std::string secret = test::jwk(key(), "k1").dump();
  const std::string text = spiffe::base64url_encode(json({{"alg", "HS256"}, {"kid", "k1"}}).dump()) + "." +
                           spiffe::base64url_encode(claims().dump());
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
  CHECK(token_outcome(text + "." + spiffe::base64url_encode(std::as_bytes(std::span(mac, size)))) ==
        "the token's alg is \"HS256\": a shared secret, which whoever verifies tokens could sign with");
}

TEST_CASE("an unknown kid is refused, also one of another trust domain") {
  const auto with_kid = [](const json& header) {
    return token_outcome(test::token(key(), header, claims()));
  };
  CHECK(with_kid({{"alg", "ES256"}, {"kid", "k9"}}) ==
        "the JWT bundle of \"example.org\" has no key \"k9\" (kid)");
  CHECK(with_kid({{"alg", "ES256"}, {"kid", "k2"}}) ==
        "the JWT bundle of \"example.org\" has no key \"k2\" (kid)");
  CHECK(with_kid({{"alg", "ES256"}, {"kid", "a\n" + std::string(500, 'b')}}).size() < 250);
  CHECK(with_kid({{"alg", "ES256"}}) == "the token's header has no kid");
}

TEST_CASE("a key of one trust domain does not verify a token of another") {
  const std::string token = test::token(key(), kHeader, claims({{"sub", "spiffe://example.net/web"}}));
  CHECK(token_outcome(token, {"db"}, "") == "the JWT bundle of \"example.net\" has no key \"k1\" (kid)");
  const std::string other = test::token(key(), kHeader, claims({{"sub", "spiffe://example.com/web"}}));
  CHECK(token_outcome(other, {"db"}, "") ==
        "there is no JWT bundle of the token's trust domain \"example.com\"");
}

TEST_CASE("the algorithm of a token must match the authority's key") {
  const Key rsa = Key::generate(test::KeyType::rsa_2048);
  CHECK(token_outcome(test::token(rsa, {{"alg", "RS256"}, {"kid", "k1"}}, claims())) ==
        "the token's alg RS256 does not go with a key of kind P-256 (key \"k1\" of \"example.org\")");
}

TEST_CASE("aud, a list or a string, contains every requested audience") {
  CHECK(of(claims({{"aud", "db"}})) == "accepted");
  CHECK(of(claims({{"aud", {"x", "db"}}})) == "accepted");
  CHECK(of(claims({{"aud", "DB"}})) == "the token is not for the audience \"db\": its aud is \"DB\"");
  CHECK(token_outcome(test::token(key(), kHeader, claims()), {"db", "queue"}) ==
        "the token is not for the audience \"queue\": its aud is \"db\", \"cache\"");
  CHECK(of(claims({{"aud", {"1", "2", "3", "4", "5", "6", "7"}}})).ends_with("\"5\" and 2 more"));
  CHECK(of(claims({{"aud", json::array()}})) == "the token's aud is empty");
  CHECK(of(claims({{"aud", 7}})) == "the token's aud is neither a string nor a list");
  CHECK(of(claims({{"aud", {"db", 7}}})) == "the token's aud holds something else than strings");
  CHECK(of(without(claims(), "aud")) == "the token has no aud");
}

TEST_CASE("exp is required and must be in the future, without leeway") {
  CHECK(of(claims({{"exp", 1'800'000'001}})) == "accepted");
  CHECK(of(claims({{"exp", 1'800'000'000.5}})) == "accepted");
  // The message is the same for each token, so that it is logged once.
  for (const json& past : {json(1'800'000'000), json(1'799'999'940), json(-1), json(-62135596800)}) {
    CHECK(of(claims({{"exp", past}})) == "the token has expired");
  }
  CHECK(hint_of(claims({{"exp", 1'800'000'000}})) == "exp is 2027-01-15T08:00:00Z, 0ms ago");
  CHECK(hint_of(claims({{"exp", 1'799'999'940}})) == "exp is 2027-01-15T07:59:00Z, 1m ago");
  CHECK(hint_of(claims({{"exp", -1}})).starts_with("exp is 1970-01-01T00:00:00Z"));
  CHECK(hint_of(claims({{"exp", -62135596800}})).starts_with("exp is 1970-01-01T00:00:00Z"));
  CHECK(of(without(claims(), "exp")) == "the token has no exp");
  CHECK(of(claims({{"exp", "1800000300"}})) == "the token's exp is not a number");
  CHECK(of(claims({{"exp", nullptr}})) == "the token's exp is not a number");
}

TEST_CASE("a date of a token may have a fraction, and be beyond any clock") {
  const auto expiry = [](const json& exp) {
    const auto svid = take(test::token(key(), kHeader, claims({{"exp", exp}})));
    REQUIRE(svid);
    return svid->expires_at;
  };
  CHECK(expiry(1'800'000'000.25) == kTokenNow + 250ms);
  CHECK(expiry(1.8000001e9) == kTokenNow + 100s);
  CHECK(expiry(253402300799) == WallTime::max());
  CHECK(expiry(253402300799.5) == WallTime::max());
}

TEST_CASE("a date outside the years 1 to 9999 is refused in every claim") {
  for (const char* name : {"exp", "nbf", "iat"}) {
    CAPTURE(std::string(name));
    for (const json& number : {json(253402300800), json(1e300), json(-1e300), json(-62135596801),
                               json(18446744073709551615U), json(std::numeric_limits<std::int64_t>::min())}) {
      CAPTURE(number.dump());
      CHECK(of(claims({{name, number}})) ==
            "the token's " + std::string(name) + " is not a date in the years 1 to 9999");
    }
  }
  for (const char* name : {"nbf", "iat"}) {
    for (const json& number : {json(0), json(-1), json(-62135596800), json(-0.5)}) {
      CHECK(of(claims({{name, number}})) == "accepted");
    }
  }
}

TEST_CASE("nbf and iat may be up to 60 s in the future") {
  for (const char* name : {"nbf", "iat"}) {
    CHECK(of(claims({{name, 1'800'000'060}})) == "accepted");
    CHECK(of(claims({{name, true}})) == "the token's " + std::string(name) + " is not a number");
  }
  CHECK(of(claims({{"nbf", 1'800'000'061}})) == "the token is not valid yet (nbf)");
  CHECK(hint_of(claims({{"nbf", 1'800'000'061}})).starts_with("nbf is 2027-01-15T08:01:01Z, 1m1s from now"));
  CHECK(of(claims({{"iat", 1'800'000'061}})) == "the token was issued in the future (iat)");
  CHECK(hint_of(claims({{"iat", 1'800'000'061}})).starts_with("iat is 2027-01-15T08:01:01Z, 1m1s from now"));
  CHECK(of(without(claims(), "iat")) == "accepted");
}

TEST_CASE("sub is a SPIFFE ID and equals spiffe_id") {
  CHECK(of(claims({{"sub", "spiffe://example.org/other"}})) ==
        "the token's sub is \"spiffe://example.org/other\", but spiffe_id says "
        "\"spiffe://example.org/web\"");
  CHECK(of(claims({{"sub", "SPIFFE://example.org/web"}})) == "accepted");
  CHECK(of(claims({{"sub", "joe"}})) ==
        "the token's sub: invalid SPIFFE ID \"joe\": the scheme must be spiffe");
  CHECK(of(claims({{"sub", ""}})) == "the token has no sub");
  CHECK(of(without(claims(), "sub")) == "the token has no sub");
  CHECK(token_outcome(test::token(key(), kHeader, claims()), {"db"}, "") == "accepted");
}

TEST_CASE("a payload that is not an object of claims is refused") {
  const auto payload = [](std::string_view text) {
    return token_outcome(test::token_of(key(), "ES256", kHeader.dump(), text));
  };
  CHECK(payload("Payload") == "the token's payload: not JSON at byte 1");
  CHECK(payload(std::string_view("{}\0{}", 5)) == "the token's payload: not JSON at byte 3");
  CHECK(payload("[]") == "the token's payload is not a JSON object");
  CHECK(payload(R"({"sub":"a","sub":"b"})") == "the token's payload: an object has a member twice");
  CHECK(payload(R"({"exp":1e999})") == "the token's payload: a number is out of range");
  CHECK(payload(std::string(60'000, '[')) == "the token's payload: more than 32 levels deep");
}

TEST_CASE("the first JWT-SVID is the default unless hint or SPIFFE ID select one") {
  std::vector<JwtSvidMaterial> svids;
  svids.push_back({"spiffe://example.org/a", SecretBytes("t"), ""});
  svids.push_back({"spiffe://example.org/b", SecretBytes("t"), "internal"});
  svids.push_back({"spiffe://example.org/c", SecretBytes("t"), "internal"});
  CHECK(select_jwt_svid(svids, "", "").value() == 0);
  CHECK(select_jwt_svid(svids, "internal", "").value() == 1);
  CHECK(select_jwt_svid(svids, "", "SPIFFE://example.org/c").value() == 2);
  CHECK(select_jwt_svid(svids, "internal", "spiffe://example.org/a").error().message ==
        "no JWT-SVID has the hint \"internal\" and SPIFFE ID \"spiffe://example.org/a\"; the agent offers "
        "\"spiffe://example.org/a (no hint)\", \"spiffe://example.org/b (hint internal)\", "
        "\"spiffe://example.org/c (hint internal)\"");
}

TEST_CASE("an answer without a JWT-SVID, or with an empty mandatory field, is discarded") {
  std::vector<JwtSvidMaterial> svids;
  CHECK(select_jwt_svid(svids, "", "").error().message == "the answer holds no JWT-SVID");
  svids.push_back({"spiffe://example.org/a", SecretBytes("t"), ""});
  svids.push_back({"", SecretBytes("t"), ""});
  CHECK(select_jwt_svid(svids, "", "").error().message == "svids[1]: spiffe_id is empty");
  svids[1] = {"spiffe://example.org/b", SecretBytes(), ""};
  CHECK(select_jwt_svid(svids, "", "").error().message ==
        "svids[1] (\"spiffe://example.org/b\"): svid is empty");
}
