#include "output/encode_bundle_map.hh"

#include <chrono>

#include <nlohmann/json.hpp>

#include "base/base64.hh"
#include "support/catch.hh"
#include "unit/output/identities.hh"

namespace spiffe::output::test {

namespace {

using namespace std::chrono_literals;
using nlohmann::json;

Result<Encoded> encode(const identity::X509Context& context, const EncodeOptions& options = {}) {
  return encode_bundle_map({.identity = context, .now = wall_now()}, options);
}

std::string text_of(const identity::X509Context& context, const EncodeOptions& options = {}) {
  const auto encoded = encode(context, options);
  REQUIRE(encoded);
  REQUIRE(encoded->size() == 1);
  CHECK(encoded->front().name.empty());
  return std::string(encoded->front().bytes.text());
}

// The certificates of a trust domain, in base64.
std::vector<std::string> certificates(const json& map, const std::string& domain) {
  std::vector<std::string> out;
  for (const json& key : map.at("trust_domains").at(domain).at("keys")) {
    REQUIRE(key.at("x5c").size() == 1);
    out.push_back(key["x5c"][0]);
  }
  return out;
}

std::vector<std::string> base64(std::initializer_list<identity::Bytes> certificates) {
  std::vector<std::string> out;
  for (const auto& each : certificates) out.push_back(base64_encode(each));
  return out;
}

}  // namespace

TEST_CASE("a bundle map has the JWKs of our own and federated trust domains, sorted") {
  const pki::Ca own;
  const pki::Ca older;
  const pki::Ca zeta(ca_options(pki::KeyType::rsa_2048));
  const pki::Ca alpha;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.svids[0].bundle = pki::concat({older.der(), own.der()});
  material.federated_bundles["spiffe://zeta.test"] = zeta.der();
  material.federated_bundles["spiffe://alpha.test"] = alpha.der();
  const std::string text = text_of(context_of(material));
  CHECK(text.starts_with(R"({"trust_domains":{"alpha.test":{"keys":[{"kty":"EC","crv":"P-256","x":")"));
  CHECK(text.ends_with("\"]}]}}}\n"));
  const json map = json::parse(text);
  CHECK(map.size() == 1);
  REQUIRE(map["trust_domains"].size() == 3);
  CHECK(certificates(map, "alpha.test") == base64({alpha.der()}));
  CHECK(certificates(map, "example.org") == base64({older.der(), own.der()}));
  CHECK(certificates(map, "zeta.test") == base64({zeta.der()}));
  CHECK(text_of(context_of(material)) == text);
}

TEST_CASE("gRPC accepts each JWK of a bundle map") {
  const pki::Ca own;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.federated_bundles["rsa.test"] = pki::Ca(ca_options(pki::KeyType::rsa_2048)).der();
  const json map = json::parse(text_of(context_of(material)));
  for (const json& domain : map["trust_domains"]) {
    CHECK(domain.size() == 1);
    for (const json& key : domain["keys"]) {
      CHECK((key["kty"] == "EC" || key["kty"] == "RSA"));
      CHECK(key["use"] == "x509-svid");
      CHECK_FALSE(key.contains("kid"));
    }
  }
}

TEST_CASE("a bundle map leaves out entries for which readers would refuse the whole file") {
  const pki::Ca own;
  const pki::Ca odd(ca_options(pki::KeyType::ed25519));
  const pki::Ca good;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.federated_bundles["mixed.test"] = pki::concat({odd.der(), good.der()});
  material.federated_bundles["odd.test"] = odd.der();
  const json map = json::parse(text_of(context_of(material)));
  CHECK(map["trust_domains"].size() == 2);
  CHECK(certificates(map, "mixed.test") == base64({good.der()}));
  CHECK(certificates(map, "example.org") == base64({own.der()}));
}

TEST_CASE("a bundle map without a usable authority of our own is an error") {
  const pki::Ca own(ca_options(pki::KeyType::ed25519));
  const auto encoded = encode(context_of(pki::material(own, "spiffe://example.org/web")));
  REQUIRE_FALSE(encoded);
  CHECK(encoded.error().message ==
        "a bundle map cannot hold the authorities of \"example.org\": none has an RSA key, or an EC key on "
        "P-256, P-384 or P-521");
  CHECK(encoded.error().hint == "remove bundle_map_file_name");
}

TEST_CASE("omit_expired is applied to each trust domain separately") {
  pki::CertificateOptions expired = ca_options(pki::KeyType::ec_p256);
  expired.not_after = wall_now() - 1h;
  const pki::Ca own;
  const pki::Ca old(expired);
  auto material = pki::material(own, "spiffe://example.org/web");
  material.svids[0].bundle = pki::concat({old.der(), own.der()});
  material.federated_bundles["all-expired.test"] = old.der();
  const auto context = context_of(material);
  CHECK(certificates(json::parse(text_of(context)), "example.org") == base64({old.der(), own.der()}));
  const json map = json::parse(text_of(context, {.omit_expired = true}));
  CHECK(certificates(map, "example.org") == base64({own.der()}));
  CHECK(certificates(map, "all-expired.test") == base64({old.der()}));
}

}  // namespace spiffe::output::test
