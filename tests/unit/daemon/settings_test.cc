#include "daemon/settings.hh"

#include "support/catch.hh"

using spiffe::config::Config;
using spiffe::daemon::lone_trust_domain;
using spiffe::daemon::Plan;
using spiffe::daemon::plan_of;
using spiffe::identity::JwtBundles;
using spiffe::identity::SpiffeId;

namespace {

Config tokens(std::string bundle, std::string jwks) {
  Config config;
  auto& token = config.jwt_svids.emplace_back();
  token.jwt_audience = "web";
  token.jwt_svid_file_name = "web.jwt";
  config.jwt_bundle_file_name = std::move(bundle);
  config.jwks_file_name = std::move(jwks);
  return config;
}

JwtBundles bundles(const spiffe::identity::JwtBundlesMaterial& material) {
  return *JwtBundles::from(material, nullptr, nullptr);
}

constexpr const char* kNoKeys = R"({"keys":[]})";

}  // namespace

TEST_CASE("JWT bundle and JWKS are distinguished from tokens") {
  struct Row {
    const char* bundle;
    const char* jwks;
    std::vector<std::string> names;
  };
  for (const Row& row : {Row{"b", "k", {"web.jwt", "b", "k"}}, Row{"b", "", {"web.jwt", "b"}},
                         Row{"", "k", {"web.jwt", "k"}}, Row{"", "", {"web.jwt"}}}) {
    const Plan plan = *plan_of(tokens(row.bundle, row.jwks));
    std::vector<std::string> names;
    for (const auto& file : plan.jwt) {
      names.push_back(file.name);
      CHECK(plan.is_token(file.name) == (file.name == "web.jwt"));
    }
    CHECK(names == row.names);
  }
}

TEST_CASE("a JWKS alone is of the only trust domain, or of the one in spiffe_id") {
  Config config;
  config.jwks_file_name = "jwks.json";
  const JwtBundles one = bundles({{"a.example", kNoKeys}});
  const JwtBundles two = bundles({{"a.example", kNoKeys}, {"b.example", kNoKeys}});
  REQUIRE(lone_trust_domain(config, one) != nullptr);
  CHECK(lone_trust_domain(config, one)->name() == "a.example");
  CHECK(lone_trust_domain(config, two) == nullptr);
  config.spiffe_id = *SpiffeId::parse("spiffe://b.example/gateway");
  REQUIRE(lone_trust_domain(config, two) != nullptr);
  CHECK(lone_trust_domain(config, two)->name() == "b.example");
}
