#include "identity/x509_svid.hh"

#include "support/catch.hh"
#include "support/pki.hh"

using spiffe::identity::X509Svid;
using spiffe::identity::X509SvidMaterial;
namespace test = spiffe::test;
using test::CertificateOptions;

namespace {

constexpr const char* kSvidId = "spiffe://example.org/web";

CertificateOptions good_leaf() {
  return {.uris = {kSvidId}};
}

// "ok", or the error.
std::string verdict(const X509SvidMaterial& material) {
  std::vector<std::string> warnings;
  const auto svid = X509Svid::parse(material, warnings);
  return svid ? "ok" : svid.error().message;
}

std::string verdict(const CertificateOptions& leaf) {
  auto material = test::svid_material(test::Ca(), leaf);
  material.spiffe_id = kSvidId;
  return verdict(material);
}

std::vector<std::string> warnings_of(const CertificateOptions& leaf) {
  std::vector<std::string> warnings;
  REQUIRE(X509Svid::parse(test::svid_material(test::Ca(), leaf), warnings));
  return warnings;
}

}  // namespace

TEST_CASE("a valid X.509-SVID is accepted with all its parts") {
  const test::Ca ca = test::Ca().intermediate();
  const auto material = test::svid_material(ca, kSvidId, "internal");
  std::vector<std::string> warnings;
  const auto svid = X509Svid::parse(material, warnings);
  REQUIRE(svid);
  CHECK(svid->id.str() == kSvidId);
  CHECK(svid->hint == "internal");
  CHECK(svid->key == material.key);
  REQUIRE(svid->chain.size() == 2);
  CHECK(svid->chain[1].der() == ca.der());
  CHECK(&svid->leaf() == &svid->chain[0]);
  CHECK(warnings.empty());
}

TEST_CASE("known certificates are shared") {
  const test::Ca ca = test::Ca().intermediate();
  std::vector<std::string> warnings;
  const auto before = X509Svid::parse(test::svid_material(ca, kSvidId), warnings);
  const auto after = X509Svid::parse(test::svid_material(ca, kSvidId), warnings, before->chain);
  REQUIRE(after);
  CHECK(&after->chain[1].der() == &before->chain[1].der());
  CHECK(after->leaf() != before->leaf());
}

TEST_CASE("a leaf without a URI SAN is refused") {
  auto leaf = good_leaf();
  leaf.uris.clear();
  CHECK(verdict(leaf) == "leaf certificate: has no URI SAN");
  leaf.dns = {"example.org"};
  CHECK(verdict(leaf) == "leaf certificate: has no URI SAN");
}

TEST_CASE("a leaf with two URI SANs is refused") {
  auto leaf = good_leaf();
  leaf.uris = {kSvidId, kSvidId};
  CHECK(verdict(leaf) == "leaf certificate: has 2 URI SANs, not one");
  leaf.uris = {kSvidId, "https://example.org"};
  CHECK(verdict(leaf) == "leaf certificate: has 2 URI SANs, not one");
}

TEST_CASE("a leaf may have other kinds of SAN") {
  auto leaf = good_leaf();
  leaf.dns = {"web.example.org", "localhost"};
  CHECK(verdict(leaf) == "ok");
}

TEST_CASE("the URI SAN of a leaf is a SPIFFE ID with a path") {
  auto leaf = good_leaf();
  leaf.uris = {"https://example.org/web"};
  CHECK(
      verdict(leaf) ==
      "leaf certificate: URI SAN: invalid SPIFFE ID \"https://example.org/web\": the scheme must be spiffe");
  leaf.uris = {"spiffe://example.org"};
  CHECK(verdict(leaf) == "leaf certificate: its SPIFFE ID \"spiffe://example.org\" has no path");
  leaf.uris = {"spiffe://example.org/"};
  CHECK_FALSE(verdict(leaf) == "ok");
  leaf.uris = {""};
  CHECK_FALSE(verdict(leaf) == "ok");
}

TEST_CASE("a NUL does not hide the end of a URI SAN") {
  auto leaf = good_leaf();
  leaf.uris = {std::string(kSvidId) + '\0' + "/evil"};
  CHECK(verdict(leaf) ==
        "leaf certificate: URI SAN: invalid SPIFFE ID \"spiffe://example.org/web\\x00/evil\": the path may "
        "hold only "
        "letters, digits, '-', '.' and '_', not \"\\x00\"");
  leaf.uris = {std::string(kSvidId) + '\0'};
  CHECK_FALSE(verdict(leaf) == "ok");
}

TEST_CASE("a leaf that is a CA is refused") {
  auto leaf = good_leaf();
  leaf.ca = true;
  CHECK(verdict(leaf) == "leaf certificate: is a CA certificate");
  leaf.ca = std::nullopt;
  CHECK(verdict(leaf) == "ok");
}

TEST_CASE("a leaf's keyUsage has digitalSignature, but neither keyCertSign nor cRLSign") {
  auto leaf = good_leaf();
  const auto with = [&leaf](const std::string& usage) {
    leaf.key_usage = usage;
    return verdict(leaf);
  };
  CHECK(with("") == "leaf certificate: has no keyUsage");
  CHECK(with("critical,keyEncipherment") == "leaf certificate: has a keyUsage without digitalSignature");
  CHECK(with("critical,digitalSignature,keyCertSign") == "leaf certificate: has keyUsage keyCertSign");
  CHECK(with("critical,digitalSignature,cRLSign") == "leaf certificate: has keyUsage cRLSign");
  CHECK(with("critical,digitalSignature,keyEncipherment,keyAgreement") == "ok");
  CHECK(with("digitalSignature") == "ok");
}

TEST_CASE("an extended key usage without serverAuth or clientAuth is a warning") {
  auto leaf = good_leaf();
  CHECK(warnings_of(leaf).empty());
  leaf.ext_key_usage = "";
  CHECK(warnings_of(leaf).empty());
  leaf.ext_key_usage = "serverAuth";
  CHECK(
      warnings_of(leaf) ==
      std::vector<std::string>{"the leaf's extended key usage lacks clientAuth: TLS servers will refuse it"});
  leaf.ext_key_usage = "clientAuth";
  CHECK(
      warnings_of(leaf) ==
      std::vector<std::string>{"the leaf's extended key usage lacks serverAuth: TLS clients will refuse it"});
  leaf.ext_key_usage = "codeSigning";
  CHECK(warnings_of(leaf).size() == 2);
  leaf.ext_key_usage = "anyExtendedKeyUsage";
  CHECK(warnings_of(leaf).empty());
}

TEST_CASE("a leaf with the same extension twice is malformed") {
  auto leaf = good_leaf();
  leaf.extensions = {{NID_key_usage, "digitalSignature"}};
  CHECK(verdict(leaf) == "leaf certificate: has a malformed extension");
  leaf.extensions = {{NID_subject_alt_name, "URI:spiffe://example.org/other"}};
  CHECK(verdict(leaf) == "leaf certificate: has more than one subjectAltName extension");
}

TEST_CASE("a subjectAltName that cannot be read is malformed") {
  auto leaf = good_leaf();
  leaf.uris.clear();
  leaf.extensions = {{NID_subject_alt_name, "DER:30:05:86"}};
  CHECK(verdict(leaf) == "leaf certificate: has a malformed subjectAltName");
}

TEST_CASE("an intermediate must be a CA with keyCertSign") {
  auto authority = test::authority_options();
  const auto with = [&authority] {
    return verdict(test::svid_material(test::Ca().intermediate(authority), kSvidId));
  };
  CHECK(with() == "ok");
  authority.ca = false;
  CHECK(with() == "intermediate certificate 1: is not a CA certificate");
  authority.ca = std::nullopt;
  CHECK(with() == "intermediate certificate 1: is not a CA certificate");
  authority.ca = true;
  authority.key_usage = "critical,cRLSign";
  CHECK(with() == "intermediate certificate 1: lacks keyUsage keyCertSign");
  authority.key_usage = "";
  CHECK(with() == "intermediate certificate 1: lacks keyUsage keyCertSign");
}

TEST_CASE("the error about an intermediate has its number") {
  const test::Ca first = test::Ca().intermediate();
  auto material = test::svid_material(first, kSvidId);
  material.certificates = test::concat({material.certificates, first.issue(kSvidId).der});
  CHECK(verdict(material) == "intermediate certificate 2: is not a CA certificate");
}

TEST_CASE("an intermediate's SPIFFE ID has no path") {
  auto authority = test::authority_options();
  const auto with = [&authority](std::vector<std::string> uris) {
    authority.uris = std::move(uris);
    return verdict(test::svid_material(test::Ca().intermediate(authority), kSvidId));
  };
  CHECK(with({"spiffe://example.org"}) == "ok");
  CHECK(with({"https://example.org/ca"}) == "ok");
  CHECK(with({"spiffe://example.org/ca"}) ==
        "intermediate certificate 1: its SPIFFE ID \"spiffe://example.org/ca\" has a path");
  CHECK(with({"https://example.org", "SPIFFE://example.org/ca"}) ==
        "intermediate certificate 1: its SPIFFE ID \"spiffe://example.org/ca\" has a path");
  CHECK_FALSE(with({"spiffe://Example.org"}) == "ok");
}

TEST_CASE("spiffe_id must equal the leaf's URI SAN") {
  auto material = test::svid_material(test::Ca(), kSvidId);
  material.spiffe_id = "spiffe://example.org/other";
  CHECK(verdict(material) ==
        "leaf certificate: its SPIFFE ID is \"spiffe://example.org/web\", but spiffe_id says "
        "\"spiffe://example.org/other\"");
  material.spiffe_id = "spiffe://example.net/web";
  CHECK_FALSE(verdict(material) == "ok");
  material.spiffe_id = "SPIFFE://example.org/web";
  CHECK(verdict(material) == "ok");
  material.spiffe_id = "web";
  CHECK(verdict(material) == "spiffe_id: invalid SPIFFE ID \"web\": the scheme must be spiffe");
}

TEST_CASE("bytes after the certificates of an SVID are an error") {
  auto material = test::svid_material(test::Ca(), kSvidId);
  material.certificates.push_back(std::byte{0});
  CHECK(verdict(material) == "x509_svid: certificate 2: not a DER certificate");
  material.certificates.clear();
  CHECK(verdict(material) == "x509_svid holds no certificate");
}
