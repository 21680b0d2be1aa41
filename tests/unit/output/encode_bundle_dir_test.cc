#include "output/encode_bundle_dir.hh"

#include "output/pem.hh"
#include "support/catch.hh"
#include "unit/output/identities.hh"

namespace spiffe::output::test {

namespace {

std::map<std::string, std::string> files_of(const identity::X509Material& material) {
  const auto context = context_of(material);
  const auto encoded = encode_bundle_dir({.identity = context, .now = wall_now()}, {});
  REQUIRE(encoded);
  std::map<std::string, std::string> out;
  for (const NamedBytes& each : *encoded) out.emplace(each.name, each.bytes.text());
  CHECK(out.size() == encoded->size());
  return out;
}

std::string pem_of(std::initializer_list<identity::Bytes> certificates) {
  SecretBytes out;
  for (const auto& each : certificates) append_pem(out, "CERTIFICATE", each);
  return std::string(out.text());
}

std::string name_of(std::string_view domain) {
  return bundle_file_name(*identity::TrustDomain::parse(domain)).value_or("");
}

}  // namespace

TEST_CASE("a bundle directory has a PEM file for each own and federated trust domain") {
  const pki::Ca own;
  const pki::Ca older;
  const pki::Ca other;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.svids[0].bundle = pki::concat({older.der(), own.der()});
  material.federated_bundles["spiffe://other.test"] = other.der();
  CHECK(files_of(material) ==
        std::map<std::string, std::string>{{"example.org.pem", pem_of({older.der(), own.der()})},
                                           {"other.test.pem", pem_of({other.der()})}});
}

TEST_CASE("the file name of a trust domain never begins with the publisher's own prefix") {
  CHECK(name_of("example.org") == "example.org.pem");
  CHECK(name_of("..data") == "%2E.data.pem");
  CHECK(name_of(".") == "%2E.pem");
  CHECK(name_of(std::string(251, 'a')).size() == 255);
  CHECK(name_of(std::string(252, 'a')).empty());
  CHECK(name_of("." + std::string(250, 'a')).empty());
}

TEST_CASE("a federated domain whose name is too long for a file is left out; our own is an error") {
  const std::string longest(252, 'a');
  const pki::Ca own;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.federated_bundles["spiffe://" + longest] = own.der();
  CHECK(files_of(material).size() == 1);
  const auto context = context_of(pki::material(own, "spiffe://" + longest + "/web"));
  const auto encoded = encode_bundle_dir({.identity = context, .now = wall_now()}, {});
  REQUIRE_FALSE(encoded);
  CHECK(encoded.error().message.ends_with("is too long for a file"));
}

}  // namespace spiffe::output::test
