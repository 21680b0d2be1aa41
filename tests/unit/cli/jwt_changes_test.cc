#include "cli/agent/jwt_changes.hh"

#include "support/catch.hh"
#include "support/jwt.hh"

using namespace spiffe;
using namespace spiffe::cli;

namespace {

identity::JwtBundle bundle(const std::string& domain, std::initializer_list<nlohmann::json> keys) {
  return identity::JwtBundle::parse(identity::TrustDomain::parse(domain).value(), test::jwks(keys)).value();
}

identity::JwtBundles bundles(std::initializer_list<identity::JwtBundle> all) {
  identity::JwtBundles out;
  for (const auto& each : all) out.bundles.emplace(each.trust_domain(), each);
  return out;
}

}  // namespace

TEST_CASE("the first JWT bundles are all added, the same ones again are not a change") {
  const auto key = test::jwk(test::Key::generate(), "k1");
  const auto one = bundles({bundle("example.org", {key})});
  const JwtChanges changes = compare({}, one);
  REQUIRE(changes.size() == 1);
  CHECK(text_of(changes, {}) == "  + JWT bundle of example.org\n    key  k1, P-256\n");
  CHECK(compare(one, bundles({bundle("example.org", {key})})).empty());
}

TEST_CASE("added and removed keys are reported for each trust domain that changed") {
  const auto first = test::jwk(test::Key::generate(), "k1");
  const auto second = test::jwk(test::Key::generate(), "k2");
  const auto before = bundles({bundle("example.org", {first}), bundle("gone.example", {first})});
  const auto after = bundles({bundle("example.org", {second}), bundle("new.example", {})});
  const JwtChanges changes = compare(before, after);
  CHECK(text_of(changes, {}) ==
        "  ~ JWT bundle of example.org\n    added    k2, P-256\n    removed  k1, P-256\n"
        "  - JWT bundle of gone.example\n"
        "  + JWT bundle of new.example\n    key  none: no token is trusted\n");
  const Json found = json_of(changes);
  CHECK(found[0]["change"] == "changed");
  CHECK(found[0]["keys_added"][0]["key_id"] == "k2");
  CHECK(found[0]["keys_removed"][0]["key_type"] == "P-256");
  CHECK(found[1]["change"] == "removed");
  CHECK(found[2]["change"] == "added");
  CHECK(json_of(after)[0]["jwt_authorities"][0]["key_id"] == "k2");
}

TEST_CASE("another key with the ID of an old one is a change") {
  const auto before = bundles({bundle("example.org", {test::jwk(test::Key::generate(), "k")})});
  const auto after = bundles({bundle("example.org", {test::jwk(test::Key::generate(), "k")})});
  const JwtChanges changes = compare(before, after);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].added.size() == 1);
  CHECK(changes[0].removed.size() == 1);
}
