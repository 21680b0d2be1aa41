#include "identity/jwt_bundle.hh"

#include "base/base64.hh"
#include "support/catch.hh"
#include "support/jwt.hh"

using namespace std::chrono_literals;
using nlohmann::json;
using spiffe::identity::JwtAuthority;
using spiffe::identity::JwtBundle;
using spiffe::identity::TrustDomain;
namespace test = spiffe::test;
using test::KeyType;

namespace {

auto parse(std::string_view jwks) {
  return JwtBundle::parse(*TrustDomain::parse("example.org"), jwks);
}

std::string jwks_refusal(std::string_view jwks) {
  const auto bundle = parse(jwks);
  if (bundle) return "accepted " + std::to_string(bundle->authorities().size());
  CHECK(bundle.error().kind == spiffe::ErrorKind::verification);
  return bundle.error().message;
}

// A fixed key, from RFC 7515, appendix A.3.
json p256(std::string_view key_id = "a") {
  return {{"kty", "EC"},
          {"kid", key_id},
          {"crv", "P-256"},
          {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
          {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}};
}

// The reason why this key is left out of a bundle, or "taken".
std::string left_out(const json& jwk) {
  const auto bundle = parse(test::jwks({p256("good"), jwk}));
  REQUIRE(bundle);
  REQUIRE(bundle->find("good") != nullptr);
  if (bundle->authorities().size() == 2) return "taken";
  return bundle->left_out().empty() ? "silent" : bundle->left_out().front();
}

json with(json jwk, const char* name, const json& value) {
  jwk[name] = value;
  return jwk;
}

json without_member(json jwk, const char* name) {
  jwk.erase(name);
  return jwk;
}

}  // namespace

TEST_CASE("keys without use, as the Workload API sends them, are authorities, found by their kid") {
  const test::Key rsa = test::Key::generate(KeyType::rsa_2048);
  const test::Key p384 = test::Key::generate(KeyType::ec_p384);
  const test::Key p521 = test::Key::generate(KeyType::ec_p521);
  const auto bundle =
      parse(test::jwks({test::jwk(rsa, "r"), p256(), test::jwk(p384, "b"), test::jwk(p521, "c")}));
  REQUIRE(bundle);
  CHECK(bundle->trust_domain().name() == "example.org");
  CHECK(bundle->left_out().empty());
  REQUIRE(bundle->authorities().size() == 4);
  CHECK(bundle->find("z") == nullptr);
  for (const auto& [key_id, key] : {std::pair("r", rsa), std::pair("b", p384), std::pair("c", p521)}) {
    const JwtAuthority* found = bundle->find(key_id);
    REQUIRE(found != nullptr);
    REQUIRE(found->key() != nullptr);
    CHECK(EVP_PKEY_eq(found->key(), key.get()) == 1);
    CHECK(found->key() == found->key());
  }
}

TEST_CASE("the member keys is required in a JWK Set and may be empty") {
  CHECK(jwks_refusal(R"({"keys":[]})") == "accepted 0");
  CHECK(parse(R"({"keys":[]})")->jwks() == R"({"keys":[]})");
  CHECK(jwks_refusal("{}") == "JWT bundle of \"example.org\": no JWK Set: it has no keys");
  CHECK(jwks_refusal(R"({"keys":null})") ==
        "JWT bundle of \"example.org\": no JWK Set: its keys are no list");
  CHECK(jwks_refusal(R"({"keys":{}})") == "JWT bundle of \"example.org\": no JWK Set: its keys are no list");
  CHECK(jwks_refusal("[]") == "JWT bundle of \"example.org\": no JWK Set: not a JSON object");
  CHECK(jwks_refusal(R"({"keys":[[]]})") == "JWT bundle of \"example.org\": keys[0] is not a JSON object");
  CHECK(jwks_refusal("not JSON") == "JWT bundle of \"example.org\": not JSON at byte 2");
  CHECK(jwks_refusal(std::string_view("{\"keys\":[]}\0{}", 14)) ==
        "JWT bundle of \"example.org\": not JSON at byte 12");
  CHECK(jwks_refusal("") == "JWT bundle of \"example.org\": not JSON at byte 1");
}

TEST_CASE("a key whose use is not jwt-svid or RFC 7517's sig is left out silently") {
  CHECK(left_out(with(p256(), "use", "jwt-svid")) == "taken");
  CHECK(left_out(with(p256(), "use", "sig")) == "taken");
  CHECK(left_out(with(p256(), "use", "x509-svid")) == "silent");
  CHECK(left_out(with(p256(), "use", "enc")) == "silent");
  CHECK(left_out(with(p256(), "use", 7)) == "silent");
}

TEST_CASE("a key of unknown type is left out, not the whole JWK Set") {
  CHECK(left_out(with(p256(), "kty", "OKP")) ==
        "keys[1] (kid \"a\") left out: its kty is \"OKP\", not RSA or EC");
  CHECK(left_out(with(p256(), "crv", "secp256k1")) ==
        "keys[1] (kid \"a\") left out: is on the curve \"secp256k1\", not P-256, P-384 or P-521");
  CHECK(left_out(json::object()) == "keys[1] left out: has no kid");
  CHECK(left_out({{"kty", "oct"}, {"kid", "s"}, {"k", "AAAA"}}) ==
        "keys[1] (kid \"s\") left out: holds a private or symmetric key");
}

TEST_CASE("a key with members missing or wrong is left out with its reason") {
  const auto why = [](const json& jwk) {
    const std::string text = left_out(jwk);
    const std::size_t at = text.find("left out: ");
    return at == std::string::npos ? text : text.substr(at + 10);
  };
  CHECK(why(without_member(p256(), "kid")) == "has no kid");
  CHECK(why(with(p256(), "kid", "")) == "has no kid");
  CHECK(why(with(p256(), "kid", std::string(2000, 'k'))) == "has a kid of 2000 bytes");
  CHECK(why(without_member(p256(), "kty")) == "has no kty");
  CHECK(why(without_member(p256(), "crv")) == "has no crv");
  CHECK(why(without_member(p256(), "y")) == "has no y");
  CHECK(why(with(p256(), "x", "AAAA=")) == "its x is not base64url");
  CHECK(why(with(p256(), "x", "AAAA")) == "its x and y have 3 and 32 bytes, not 32");
  CHECK(why(with(p256(), "x", p256()["y"])) == "its point is not on P-256");
  CHECK(why(with(p256(), "d", "AAAA")) == "holds a private or symmetric key");
  const json rsa = test::jwk(test::Key::generate(KeyType::rsa_2048), "r");
  CHECK(why(rsa) == "taken");
  CHECK(why(without_member(rsa, "n")) == "has no n");
  CHECK(why(with(rsa, "e", "AA")) == "is no RSA key: its e or n is impossible");
  CHECK(why(with(rsa, "e", "AQ")) == "is no RSA key: its e or n is impossible");
  CHECK(why(with(rsa, "e", "AQABAQABAQAB")) == "is no RSA key: its e or n is impossible");
  CHECK(why(with(rsa, "e", "Aw")) == "taken");
  CHECK(why(test::jwk(test::Key::generate(KeyType::rsa_1024), "s")) ==
        "is an RSA key of 1024 bits, not of 2048 to 16384");
}

TEST_CASE("the report of keys left out is escaped and has a bounded length") {
  json document = {{"keys", json::array()}};
  for (int i = 0; i < 200; ++i) {
    document["keys"].push_back({{"kty", std::string(500, 'x')}, {"kid", "\n" + std::string(900, 'k')}});
  }
  const auto bundle = parse(document.dump());
  REQUIRE(bundle);
  REQUIRE(bundle->left_out().size() == 9);
  CHECK(bundle->left_out().back() == "further keys left out");
  CHECK(bundle->left_out()[0].starts_with("keys[0] (kid \"\\nkkk"));
  CHECK(bundle->left_out()[0].size() < 400);
}

TEST_CASE("x5c: the first certificate must hold the key") {
  const test::Ca ca;
  const test::Ca other;
  const json jwk = test::jwk(ca.key(), "c");
  const auto certificate = [](const test::Ca& authority) { return spiffe::base64_encode(authority.der()); };
  CHECK(left_out(with(jwk, "x5c", {certificate(ca), "ignored"})) == "taken");
  CHECK(left_out(with(jwk, "x5c", {certificate(other)})) ==
        "keys[1] (kid \"c\") left out: its key is not that of its x5c");
  CHECK(left_out(with(jwk, "x5c", json::array())).ends_with("its x5c holds no certificate"));
  CHECK(left_out(with(jwk, "x5c", {"_-"})).ends_with("its x5c is not base64"));
  CHECK(left_out(with(jwk, "x5c", {"AAAA"})).ends_with("x5c: not a DER certificate"));
}

TEST_CASE("of two keys with the same kid the last counts, as in the Go helper, and this is reported") {
  const auto bundle = parse(test::jwks({test::jwk(test::Key::generate(), "a"), p256("a")}));
  REQUIRE(bundle);
  CHECK(bundle->jwks() == "{\"keys\":[" + bundle->find("a")->jwk() + "]}");
  CHECK(bundle->find("a")->jwk().find("f83OJ3D2") != std::string::npos);
  CHECK(bundle->left_out() ==
        std::vector<std::string>{"keys[1] (kid \"a\") replaces an earlier key of the same kid"});
}

TEST_CASE("spiffe_sequence has 64 bits, spiffe_refresh_hint is in seconds") {
  const auto bundle =
      parse(R"({"keys":[],"spiffe_sequence":18446744073709551615,"spiffe_refresh_hint":300})");
  REQUIRE(bundle);
  CHECK(bundle->sequence() == 18446744073709551615U);
  CHECK(bundle->refresh_hint() == 300s);
  CHECK_FALSE(parse(R"({"keys":[]})")->sequence());
  CHECK_FALSE(parse(R"({"keys":[]})")->refresh_hint());
  const auto odd = parse(R"({"keys":[],"spiffe_sequence":18446744073709551616,"spiffe_refresh_hint":-1})");
  REQUIRE(odd);
  CHECK_FALSE(odd->sequence());
  CHECK_FALSE(odd->refresh_hint());
  CHECK(odd->left_out() == std::vector<std::string>{"spiffe_sequence left out: no integer of 64 bits",
                                                    "spiffe_refresh_hint left out: no integer of 64 bits"});
}

TEST_CASE("a JWK Set is written as Go does: standard members in one order, keys sorted by kid") {
  const auto bundle = parse(test::jwks({with(p256("b"), "alg", "ES256"), p256("a")}));
  REQUIRE(bundle);
  const std::string numbers = R"("crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                              R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
  CHECK(bundle->jwks() ==
        R"({"keys":[{"kty":"EC","kid":"a",)" + numbers + R"(,{"kty":"EC","kid":"b",)" + numbers + "]}");
  json rsa = test::jwk(test::Key::generate(KeyType::rsa_2048), "r");
  CHECK(parse(test::jwks({rsa}))->jwks() ==
        R"({"keys":[{"kty":"RSA","kid":"r","n":)" + rsa["n"].dump() + R"(,"e":"AQAB"}]})");
}

TEST_CASE("numbers of an RSA key lose their leading zeros") {
  const test::Key key = test::Key::generate(KeyType::rsa_2048);
  const json plain = test::jwk(key, "r");
  json padded = plain;
  const auto bytes = spiffe::base64url_decode(plain["n"].get<std::string>());
  padded["n"] = spiffe::base64url_encode(std::string(3, '\0') + std::string(bytes->text()));
  padded["e"] = "AAEAAQ";
  CHECK(parse(test::jwks({padded}))->jwks() == parse(test::jwks({plain}))->jwks());
}

TEST_CASE("a kid is escaped as go-jose's encoder escapes it") {
  const auto bundle = parse(test::jwks({p256("\"\\/<>&\n\r\t\b\x01\x7f é\xE2\x80\xA8\xE2\x80\xA9")}));
  REQUIRE(bundle);
  CHECK(bundle->jwks().find(
            "\"kid\":\"\\\"\\\\/\\u003c\\u003e\\u0026\\n\\r\\t\\u0008\\u0001\x7f é\\u2028\\u2029\"") !=
        std::string::npos);
}
