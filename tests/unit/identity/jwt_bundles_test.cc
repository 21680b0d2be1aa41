#include "identity/jwt_bundles.hh"

#include "support/catch.hh"
#include "support/jwt.hh"

using spiffe::identity::JwtBundles;
using spiffe::identity::JwtBundlesMaterial;
using spiffe::identity::TrustDomain;
namespace test = spiffe::test;

namespace {

const TrustDomain kOwn = *TrustDomain::parse("example.org");
const TrustDomain kNet = *TrustDomain::parse("example.net");

// A JWKS with one new key that has this kid.
std::string jwks(std::string_view key_id) {
  return test::jwks({test::jwk(test::Key::generate(), key_id)});
}

auto take(const JwtBundlesMaterial& material, const JwtBundles* previous = nullptr,
          const TrustDomain* own = &kOwn) {
  return JwtBundles::from(material, own, previous);
}

std::string refusal(const JwtBundlesMaterial& material, const TrustDomain* own = &kOwn) {
  const auto bundles = take(material, nullptr, own);
  if (bundles) return "accepted " + std::to_string(bundles->bundles.size());
  CHECK(bundles.error().kind == spiffe::ErrorKind::verification);
  return bundles.error().message;
}

}  // namespace

TEST_CASE("JWT bundles are kept by trust domain, given by name or by ID") {
  const auto bundles = take({{"spiffe://example.org", jwks("a")}, {"example.net", jwks("b")}});
  REQUIRE(bundles);
  CHECK(bundles->findings.empty());
  REQUIRE(bundles->find(kOwn) != nullptr);
  CHECK(bundles->find(kOwn)->find("a") != nullptr);
  CHECK(bundles->find(kNet)->find("b") != nullptr);
  CHECK(bundles->find(*TrustDomain::parse("other.org")) == nullptr);
}

TEST_CASE("a message without JWT bundles is refused") {
  CHECK(refusal({}) == "the message holds no JWT bundle");
}

TEST_CASE("the JWT bundle of our own trust domain must be present and readable") {
  CHECK(refusal({{"example.org", "no"}, {"example.net", jwks("b")}}) ==
        "JWT bundle of \"example.org\": not JSON at byte 2");
  CHECK(refusal({{"example.net", jwks("b")}}) ==
        "the message holds no JWT bundle of our own trust domain \"example.org\"");
}

TEST_CASE("while our own trust domain is unknown, one readable JWT bundle is enough") {
  CHECK(refusal({{"example.org", "no"}, {"example.net", jwks("b")}}, nullptr) == "accepted 1");
  CHECK(refusal({{"example.org", "no"}}, nullptr) == "JWT bundle of \"example.org\": not JSON at byte 2");
  CHECK(refusal({{"Example", jwks("a")}}, nullptr).starts_with("invalid trust domain \"Example\""));
}

TEST_CASE("a federated JWT bundle that cannot be read keeps its previous content, the rest is new") {
  const auto before = take({{"example.org", jwks("old")}, {"example.net", jwks("net")}});
  REQUIRE(before);
  const auto after =
      take({{"example.org", jwks("new")}, {"example.net", "{}"}, {"example.edu", "{}"}}, &*before);
  REQUIRE(after);
  REQUIRE(after->bundles.size() == 2);
  CHECK(after->find(kOwn)->find("new") != nullptr);
  CHECK(after->find(kOwn)->find("old") == nullptr);
  CHECK(after->find(kNet)->find("net") != nullptr);
  REQUIRE(after->findings.size() == 2);
  CHECK(after->findings[0].subject == "example.edu");
  CHECK(after->findings[0].message ==
        "JWT bundle not taken: JWT bundle of \"example.edu\": no JWK Set: it has no keys");
  CHECK(after->findings[0].federated_bundle);
  CHECK(after->findings[1].subject == "example.net");
}

TEST_CASE("a JWT bundle that kept its previous content does not count as readable") {
  const auto before = take({{"example.org", jwks("a")}}, nullptr, nullptr);
  REQUIRE(before);
  CHECK_FALSE(take({{"example.org", "no"}}, &*before, nullptr));
}

TEST_CASE("a JWT bundle that a message lacks is gone") {
  const auto before = take({{"example.org", jwks("a")}, {"example.net", jwks("b")}});
  REQUIRE(before);
  const auto after = take({{"example.org", jwks("a")}}, &*before);
  REQUIRE(after);
  CHECK(after->find(kNet) == nullptr);
}

TEST_CASE("one trust domain under two names: the first JWT bundle is used") {
  const auto bundles = take({{"example.org", jwks("a")}, {"spiffe://example.org", jwks("b")}});
  REQUIRE(bundles);
  CHECK(bundles->find(kOwn)->find("a") != nullptr);
  REQUIRE(bundles->findings.size() == 1);
  CHECK(bundles->findings[0].message == "a second JWT bundle for this trust domain is ignored");
}

TEST_CASE("a JWT bundle with a bad name is reported, escaped") {
  const auto bundles = take({{"example.org", jwks("a")}, {"Ex\n", jwks("b")}});
  REQUIRE(bundles);
  REQUIRE(bundles->findings.size() == 1);
  CHECK(bundles->findings[0].subject == "Ex\\n");
}

TEST_CASE("keys left out are reported for every message, also if it has not changed") {
  const JwtBundlesMaterial material = {{"example.org", R"({"keys":[{"kty":"OKP","kid":"x"}]})"}};
  const auto before = take(material);
  REQUIRE(before);
  const auto after = take(material, &*before);
  REQUIRE(after);
  REQUIRE(after->findings.size() == 1);
  CHECK(after->findings[0].message ==
        "JWT bundle: keys[0] (kid \"x\") left out: its kty is \"OKP\", not RSA or EC");
}

TEST_CASE("of thousands of JWT bundles, unchanged ones are shared, not parsed again") {
  const std::string document = jwks("a");
  JwtBundlesMaterial material = {{"example.org", jwks("own")}};
  for (int i = 0; i < 9000; ++i) material["spiffe://d" + std::to_string(i) + ".example"] = document;
  const auto before = take(material);
  REQUIRE(before);
  CHECK(before->bundles.size() == 9001);
  material["example.org"] = jwks("new");
  const auto after = take(material, &*before);
  REQUIRE(after);
  for (const auto& [domain, bundle] : after->bundles) {
    const bool shared = &bundle.raw() == &before->find(domain)->raw();
    if (shared == (domain == kOwn)) FAIL(domain.name());
  }
  CHECK(after->find(kOwn)->find("new") != nullptr);
}
