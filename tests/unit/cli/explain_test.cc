#include "cli/files/explain.hh"

#include <sstream>

#include "base/base64.hh"
#include "cli/files/describe_certificate.hh"
#include "cli/text/cat.hh"
#include "cli/text/lifetime.hh"
#include "identity/x509_context.hh"
#include "output/encode_key.hh"
#include "output/encode_pkcs12.hh"
#include "output/pem.hh"
#include "support/catch.hh"
#include "support/jwt.hh"
#include "support/pki.hh"
#include "unit/cli/pem_texts.hh"

using namespace std::chrono_literals;
using nlohmann::json;
using spiffe::SecretBytes;
using spiffe::WallTime;
using spiffe::cli::cat;
using spiffe::cli::explain;
using spiffe::cli::Explained;
using spiffe::cli::time_left;
namespace test = spiffe::test;
using test::authority;
using test::Ca;
using test::kNow;
using test::leaf;
using test::pem;
using test::traditional;

namespace {

constexpr std::size_t kWidth = 80;

Explained of(std::string_view text) {
  auto out = explain(SecretBytes(text), kNow, kWidth);
  INFO((out ? "" : out.error().message));
  REQUIRE(out);
  std::istringstream lines(out->rows.text());
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    // A word that is longer than the line is not broken.
    CHECK((spiffe::cli::length(line) <= kWidth || line.find(' ', 20) == std::string::npos));
  }
  return *std::move(out);
}

std::string refused(std::string_view text) {
  const auto out = explain(SecretBytes(text), kNow, kWidth);
  REQUIRE_FALSE(out);
  CHECK(out.error().kind == spiffe::ErrorKind::failed);
  return out.error().message;
}

bool has(const Explained& out, std::string_view words) {
  CAPTURE(out.rows.text(), words);
  return out.rows.text().find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("explain: an SVID of every key type shows its identity and validity") {
  const std::vector<std::pair<test::KeyType, std::string>> kinds = {
      {test::KeyType::ec_p256, "EC P-256"}, {test::KeyType::ec_p384, "EC P-384"},
      {test::KeyType::ec_p521, "EC P-521"}, {test::KeyType::rsa_2048, "RSA 2048"},
      {test::KeyType::ed25519, "Ed25519"},  {test::KeyType::ec_secp256k1, "EC secp256k1"}};
  const Ca root(authority());
  for (const auto& [type, name] : kinds) {
    CAPTURE(name);
    auto options = leaf();
    options.key_type = type;
    const auto issued = root.issue(options);
    const Explained svid = of(pem(issued.der));
    CHECK(svid.title == "X.509-SVID");
    CHECK(svid.json["kind"] == "x509-svid");
    CHECK(svid.json["spiffe_id"] == "spiffe://example.org/web");
    CHECK(svid.json["certificates"][0]["key"] == name);
    CHECK(has(svid, "spiffe://example.org/web"));
    CHECK(has(svid, name));
    CHECK(has(svid, "left"));
    const Explained key = of(pem(issued.key.pkcs8().bytes(), "PRIVATE KEY"));
    CHECK(key.title == "private key");
    CHECK(key.json.dump() == R"({"kind":"private-key","private_key":{"type":")" + name +
                                 R"(","format":"PRIVATE KEY"},"problems":[]})");
    CHECK(key.rows.text() == "  key  " + name + " (PRIVATE KEY)\n");
  }
}

TEST_CASE("explain: chains, bundles and combined files are distinguished") {
  const Ca root(authority());
  const auto issued = root.intermediate(authority("Intermediate")).issue(leaf());
  const std::string chain = pem(issued.der) + pem(issued.intermediates[0]);
  CHECK(of(chain).title == "X.509-SVID with 1 intermediate");
  CHECK(has(of(chain), "issued by  CN=Intermediate, EC P-256"));
  CHECK(of(pem(root.der())).title == "bundle of 1 authority");
  CHECK(of(pem(root.der()) + pem(root.der())).title == "bundle of 2 authorities");
  const std::string key = pem(issued.key.pkcs8().bytes(), "PRIVATE KEY");
  CHECK(of(key + chain).title == "X.509-SVID with 1 intermediate with its private key");
  CHECK(of(key + chain).json["kind"] == "combined");
  CHECK(has(of(key + key), "holds 2 private keys"));
  std::string many;
  for (int i = 0; i < 40; ++i) many += pem(root.der());
  CHECK(has(of(many), "and 28 more"));
  CHECK(of(many).json["certificates"].size() == 40);
}

TEST_CASE("explain: SEC 1 and PKCS#1 keys, alone and before or after a chain") {
  const Ca root(authority());
  const std::tuple<test::KeyType, std::string, std::string> kinds[] = {
      {test::KeyType::ec_p384, "EC P-384", "EC PRIVATE KEY"},
      {test::KeyType::rsa_2048, "RSA 2048", "RSA PRIVATE KEY"}};
  for (const auto& [type, name, label] : kinds) {
    CAPTURE(label);
    auto options = leaf();
    options.key_type = type;
    const auto issued = root.intermediate(authority("Intermediate")).issue(options);
    const std::string key = traditional(issued.key);
    const Explained alone = of(key);
    CHECK(alone.title == "private key");
    CHECK(alone.rows.text() == cat({"  key  ", name, " (", label, ")\n"}));
    CHECK(alone.pkcs8 == issued.key.pkcs8());
    const std::string chain = pem(issued.der) + pem(issued.intermediates[0]);
    for (const std::string& text : {key + chain, chain + key}) {
      const Explained combined = of(text);
      CHECK(combined.title == "X.509-SVID with 1 intermediate with its private key");
      CHECK(combined.json["kind"] == "combined");
      CHECK(combined.json["private_key"]["format"] == label);
      CHECK(combined.json["problems"].empty());
      CHECK(has(combined, cat({name, " (", label, ")"})));
      CHECK(combined.svid);
    }
  }
}

TEST_CASE("explain: a key of another type than its label says is a problem") {
  const auto key = test::Key::generate(test::KeyType::rsa_2048).pkcs8();
  CHECK(of(pem(key.bytes(), "EC PRIVATE KEY")).json["problems"][0] ==
        "the private key is of another type than its label says");
}

TEST_CASE("explain: a key that cannot be read is a problem, and none of its content is shown") {
  const auto key = test::Key::generate().pkcs8();
  CHECK(of(pem(key.bytes(), "ENCRYPTED PRIVATE KEY")).json["problems"][0] == "the private key is encrypted");
  CHECK(of(pem(key.bytes().first(40), "PRIVATE KEY")).json["problems"][0] ==
        "the private key cannot be read");
  SecretBytes longer = key.clone();
  longer.append("x");
  CHECK(of(pem(longer.bytes(), "PRIVATE KEY")).json["problems"][0] == "bytes follow the private key");
}

TEST_CASE("explain: a rule that refuses a certificate is shown") {
  const Ca root(authority());
  auto options = leaf();
  options.uris = {"spiffe://example.org/a", "spiffe://example.org/b"};
  const Explained two = of(pem(root.issue(options).der));
  CHECK(two.title == "certificate");
  CHECK(two.json["problems"][0] == "not an SVID: has 2 URI SANs, not one");
  options = leaf();
  options.not_after = kNow - 3min;
  CHECK(has(of(pem(root.issue(options).der)), "expired 3m ago"));
}

TEST_CASE("explain: control characters of a certificate are escaped") {
  auto options = leaf("spiffe://example.org/\x1b[31m");
  options.common_name = "a\nb";
  const Explained out = of(pem(Ca(authority()).issue(options).der));
  CHECK(has(out, "\\x1b[31m"));
  CHECK_FALSE(has(out, "\x1b"));
}

TEST_CASE("explain: a token shows its claims and not its signature") {
  const auto key = test::Key::generate();
  const auto token = test::token(key, {{"alg", "ES256"}, {"kid", "k1"}},
                                 {{"sub", "spiffe://example.org/web"},
                                  {"aud", {"db", "web"}},
                                  {"exp", 1767323345},
                                  {"iat", 1767323045}});
  const Explained out = of(token + "\n");
  CHECK(out.title == "JWT-SVID");
  CHECK(has(out, "audience   db, web"));
  CHECK(has(out, "2026-01-02T03:04:05Z to 2026-01-02T03:09:05Z, 5m left"));
  CHECK(has(out, "ES256 by key k1"));
  CHECK_FALSE(has(out, token.substr(token.rfind('.') + 1)));
  CHECK(out.json["expires_at"] == "2026-01-02T03:09:05Z");
  const auto odd = test::token(key, {{"alg", "ES256"}}, {{"sub", "me"}, {"exp", "soon"}, {"aud", 7}});
  CHECK(of(odd).json["problems"] == json({"its sub is not a SPIFFE ID", "the token's exp is not a number"}));
  const auto late =
      test::token(key, {{"alg", "ES256"}}, {{"sub", "spiffe://example.org/web"}, {"exp", 1e300}});
  CHECK(of(late).json["problems"] == json({"the token's exp is not a date in the years 1 to 9999"}));
  CHECK(of(late).json["expires_at"] == nullptr);
  const auto endless = test::token(key, {{"alg", "ES256"}}, {{"sub", "spiffe://example.org/web"}});
  CHECK(of(endless).json["problems"] == json({"it has no exp"}));
}

TEST_CASE("explain: JWK Sets, bundle maps and the helper's file are distinguished") {
  const Ca root(authority());
  json x509 = test::jwk(root.key(), "");
  x509["use"] = "x509-svid";
  x509["x5c"] = {spiffe::base64_encode(std::span<const std::byte>(root.der()))};
  json jwt = test::jwk(test::Key::generate(), "k1");
  jwt["use"] = "jwt-svid";
  const json set = {{"keys", {x509, jwt}}};
  const Explained lone = of(set.dump());
  CHECK(lone.title == "JWK Set of 2 keys");
  CHECK(has(lone, "authority  CN=Test CA, EC P-256"));
  CHECK(has(lone, "JWT key    k1, EC P-256"));
  const Explained map =
      of(json({{"trust_domains", {{"a.org", set}, {"b.org", {{"keys", json::array()}}}}}}).dump());
  CHECK(map.title == "bundle map of 2 trust domains");
  CHECK(has(map, "a.org  1 X.509, 1 JWT keys"));
  CHECK(has(map, "b.org  none: nothing is trusted"));
  CHECK(map.json["trust_domains"][0]["x509_authorities"] == 1);
  CHECK(of(json({{"a.org", spiffe::base64_encode(set.dump())}}).dump()).title ==
        "JWT bundles of 1 trust domain");
}

TEST_CASE("explain: a bundle map of 9,000 domains is summarised") {
  json jwt = test::jwk(test::Key::generate(), "k1");
  json domains = json::object();
  for (int i = 0; i < 9000; ++i) domains["td" + std::to_string(i) + ".example"] = {{"keys", {jwt}}};
  const Explained map = of(json({{"trust_domains", domains}}).dump());
  CHECK(map.title == "bundle map of 9000 trust domains");
  CHECK(has(map, "and 8988 more"));
  CHECK(has(map, "9000 JWT keys"));
  CHECK(map.rows.text().size() < 1000);
  CHECK(map.json["trust_domains"].size() == 9000);
}

TEST_CASE("explain: other content is an error with a description") {
  CHECK(refused("") == "is empty");
  CHECK(refused(" \n") == "is empty");
  CHECK(refused("garbage").starts_with("neither PEM, JSON nor a token"));
  CHECK(refused("{").starts_with("not JSON: "));
  CHECK(refused("{\"a\": 1}").starts_with("JSON, but is neither a JWK Set"));
  CHECK(refused("-----BEGIN CERTIFICATE-----\nAAAA\n").find("cut off") != std::string::npos);
  CHECK(refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").find("not a DER") !=
        std::string::npos);
  CHECK(refused("-----BEGIN DOG-----\nAAAA\n-----END DOG-----\n").ends_with("but DOG"));
  CHECK(refused("eyJhbGciOiJub25lIn0.e30.").find("alg") != std::string::npos);
}

TEST_CASE("PKCS#12 is explained like PEM, with its password") {
  const Ca ca(authority());
  auto material = test::material(ca, "spiffe://example.org/web");
  const auto context = spiffe::identity::X509Context::from(material, {}, nullptr, spiffe::wall_now(), false);
  REQUIRE(context);
  const auto bytes = [&](auto encode, const SecretBytes* password) {
    auto encoded = encode({.identity = *context, .now = kNow, .keystore_password = password},
                          spiffe::output::EncodeOptions{});
    REQUIRE(encoded);
    return encoded->front().bytes.clone();
  };
  const Explained keystore = of(bytes(&spiffe::output::encode_keystore, nullptr).text());
  CHECK(keystore.title == "X.509-SVID with its private key, in PKCS#12");
  CHECK(keystore.json["kind"] == "combined");
  CHECK(keystore.json["container"] == "pkcs12");
  CHECK(keystore.json["spiffe_id"] == "spiffe://example.org/web");
  CHECK(keystore.key);
  CHECK(keystore.pkcs8 == context->svid.key);
  const Explained truststore = of(bytes(&spiffe::output::encode_truststore, nullptr).text());
  CHECK(truststore.title == "bundle of 1 authority, in PKCS#12");
  CHECK(truststore.certificates.front().der() == ca.der());

  const SecretBytes password(std::string_view("secret"));
  const SecretBytes locked = bytes(&spiffe::output::encode_keystore, &password);
  CHECK(refused(locked.text()) == "PKCS#12 with a password of its own");
  REQUIRE(explain(locked, kNow, kWidth, &password));
  const SecretBytes wrong(std::string_view("wrong"));
  const auto unopened = explain(locked, kNow, kWidth, &wrong);
  REQUIRE_FALSE(unopened);
  CHECK(unopened.error().message == "PKCS#12 with another password than the one given");
  CHECK(refused(locked.text().substr(0, 200)) ==
        "neither PEM, JSON nor a token, and no DER certificate or PKCS#12 either");
}

TEST_CASE("the hints of a credential folder are listed") {
  const Explained hints = of(
      R"({"hints":[{"hint":"web","id":0,"fingerprint":"sha256:aa"},{"hint":"","id":3,"fingerprint":"x"}]})");
  CHECK(hints.title == "hints of 2 SVIDs");
  CHECK(hints.json["kind"] == "hints");
  REQUIRE(hints.json["hints"].size() == 2);
  CHECK(hints.json["hints"][0]["hint"] == "web");
  CHECK(hints.json["hints"][1]["id"] == 3);
  CHECK(hints.problems.empty());
  for (const char* bad : {R"({"hints":[1]})", R"({"hints":[{}]})", R"({"hints":[{"id":"0"}]})",
                          R"({"hints":[{"id":-1}]})", R"({"hints":[null]})"}) {
    CHECK(of(bad).problems.size() == 1);
  }
  CHECK(of(R"({"hints":[]})").title == "hints of 0 SVIDs");
}

TEST_CASE("lifetimes of centuries do not overflow") {
  CHECK(time_left(WallTime::min(), WallTime::min(), kNow) == "expired 73000d ago");
  CHECK(time_left(WallTime::min(), WallTime::max(), kNow).ends_with(" left"));
  CHECK(time_left(kNow, kNow + 1h, kNow) == "1h left");
  CHECK(time_left(kNow + 20s, kNow + 1h, kNow) == "not valid for another 20s");
}
