#include "output/jwt_bundle_file.hh"

#include "support/catch.hh"

using spiffe::identity::JwtBundles;
using spiffe::output::jwt_bundle_file;

namespace {

JwtBundles bundles(const spiffe::identity::JwtBundlesMaterial& material) {
  return *JwtBundles::from(material, nullptr, nullptr);
}

}  // namespace

TEST_CASE("the JWT bundle file maps sorted trust domains to base64, without white space") {
  const std::string empty = R"({ "keys": [ ] })";
  CHECK(jwt_bundle_file(bundles({{"spiffe://b.example", empty}, {"a.example", empty}})) ==
        R"({"a.example":"eyJrZXlzIjpbXX0=","b.example":"eyJrZXlzIjpbXX0="})");
}

TEST_CASE("the JWT bundle file has each key in the Go helper's form") {
  // RFC 7515, appendix A.3, with the members in another order than ours.
  const std::string jwks =
      R"({"keys":[{"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"1","kty":"EC","alg":"ES256",)"
      R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","crv":"P-256"}]})";
  CHECK(
      jwt_bundle_file(bundles({{"example.org", jwks}})) ==
      R"({"example.org":"eyJrZXlzIjpbeyJrdHkiOiJFQyIsImtpZCI6IjEiLCJjcnYiOiJQLTI1NiIsIngiOiJmODNPSjNEMnhGMU)"
      R"(JnOHZ1Yjl0TGUxZ0hNelY3NmU4VHVzOXVQSHZSVkVVIiwieSI6InhfRkV6UnU5bTM2SExOX3R1ZTY1OUxOcFhXNnBDeVN0aWtZak)"
      R"(tJV0k1YTAifV19"})");
}
