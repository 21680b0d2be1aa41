#include "identity/usual_path.hh"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "identity/der.hh"
#include "identity/x509_svid.hh"
#include "support/catch.hh"
#include "support/paths.hh"
#include "support/pki.hh"

using namespace std::chrono_literals;
using spiffe::WallTime;
using spiffe::identity::Bytes;
using spiffe::identity::Certificate;
using spiffe::identity::DerReader;
using spiffe::identity::DerSpan;
using spiffe::identity::DerTag;
using spiffe::identity::is_usual_path;
namespace test = spiffe::test;
using test::authority;
using test::Ca;
using test::CertificateOptions;
using test::KeyType;
using test::kNow;
using test::leaf;

namespace {

bool usual(const Ca& issuer, const CertificateOptions& options, const Ca& root, WallTime at = kNow) {
  const auto chain = Certificate::parse_concatenated(issuer.issue(options).chain());
  const auto anchor = Certificate::parse(root.der(), Certificate::Keep::der_only);
  REQUIRE(chain);
  REQUIRE(anchor);
  return is_usual_path(*chain, *anchor, at);
}

Bytes element(DerTag tag, const Bytes& content) {
  Bytes out = {static_cast<std::byte>(tag), std::byte{0x82}, static_cast<std::byte>(content.size() >> 8),
               static_cast<std::byte>(content.size())};
  // DER requires the shortest form of a length.
  if (content.size() < 0x80) {
    out = {static_cast<std::byte>(tag), static_cast<std::byte>(content.size())};
  } else if (content.size() < 0x100) {
    out = {static_cast<std::byte>(tag), std::byte{0x81}, static_cast<std::byte>(content.size())};
  }
  return test::concat({out, content});
}

// A certificate in its three parts.
struct Parts {
  Bytes content;
  Bytes algorithm;
  Bytes bits;  // the number of unused bits, and the signature

  explicit Parts(const Bytes& der) {
    DerReader outer(der);
    const auto fields = outer.take(DerTag::sequence);
    REQUIRE(fields);
    DerReader reader(*fields);
    const auto copy = [](std::optional<DerSpan> span) { return Bytes(span->begin(), span->end()); };
    content = copy(reader.take_whole(DerTag::sequence));
    algorithm = copy(reader.take_whole(DerTag::sequence));
    bits = copy(reader.take(DerTag::bit_string));
  }
  [[nodiscard]] Bytes der() const {
    return element(DerTag::sequence, test::concat({content, algorithm, element(DerTag::bit_string, bits)}));
  }
  void sign(EVP_PKEY* key) {
    const spiffe::Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
    bits.assign(size + 1, std::byte{0});
    REQUIRE(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1);
    REQUIRE(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(bits.data() + 1), &size,
                           reinterpret_cast<const unsigned char*>(content.data()), content.size()) == 1);
    bits.resize(size + 1);
  }
};

struct Tally {
  int usual = 0;
  int refused = 0;
};

// `place`: the index of the certificate in `path` that is replaced by the changed one.
void compare(const std::vector<Bytes>& path, std::size_t place, const Bytes& changed, Tally& tally) {
  std::vector<Certificate> certificates;
  for (std::size_t i = 0; i < path.size(); ++i) {
    auto certificate = Certificate::parse(i == place ? changed : path[i]);
    if (!certificate || certificate->x509() == nullptr) return;
    certificates.push_back(*std::move(certificate));
  }
  const Certificate anchor = certificates.back();
  certificates.pop_back();
  if (!is_usual_path(certificates, anchor, kNow)) {
    ++tally.refused;
    return;
  }
  ++tally.usual;
  CHECK(test::openssl_accepts(certificates, anchor));
}

}  // namespace

TEST_CASE("no change to a certificate, signed again, makes a usual path that OpenSSL refuses") {
  const Ca root(authority());
  const Ca middle = root.intermediate(authority("Intermediate"));
  const test::Issued issued = middle.issue(leaf());
  const std::vector<Bytes> path = {issued.der, middle.der(), root.der()};
  const std::vector<EVP_PKEY*> signers = {middle.key().get(), root.key().get(), root.key().get()};
  for (std::size_t place = 0; place < path.size(); ++place) {
    CAPTURE(place);
    const Parts original(path[place]);
    Tally tally;
    for (std::size_t at = 0; at < original.content.size(); ++at) {
      CAPTURE(at);
      for (const auto change : {std::byte{0x01}, std::byte{0x20}, std::byte{0x80}, std::byte{0xFF}}) {
        Parts changed = original;
        changed.content[at] ^= change;
        changed.sign(signers[place]);
        compare(path, place, changed.der(), tally);
      }
    }
    // The comparison had both results often enough.
    CHECK(tally.usual > 10);
    CHECK(tally.refused > 100);
  }
}

TEST_CASE("no change after the signed part makes a usual path that OpenSSL refuses") {
  const Ca root(authority());
  const std::vector<Bytes> path = {root.issue(leaf()).der, root.der()};
  const std::size_t begin = path[0].size() - Parts(path[0]).bits.size() - 16;
  Tally tally;
  for (std::size_t at = begin; at < path[0].size(); ++at) {
    CAPTURE(at);
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes changed = path[0];
      changed[at] ^= std::byte{1} << bit;
      compare(path, 0, changed, tally);
    }
  }
  CHECK(tally.refused > 100);
}

TEST_CASE("a path with unused bits in a signature is not usual") {
  const Ca root(authority());
  Parts parts(root.issue(leaf()).der);
  while ((parts.bits.back() & std::byte{1}) != std::byte{0}) parts.sign(root.key().get());
  Tally tally;
  compare({parts.der(), root.der()}, 0, parts.der(), tally);
  CHECK(tally.usual == 1);
  parts.bits.front() = std::byte{1};
  compare({parts.der(), root.der()}, 0, parts.der(), tally);
  CHECK(tally.usual == 1);
}

TEST_CASE("verify_chain() agrees with OpenSSL on certificates without names or key identifiers") {
  // A leaf without a name, or with its authority's name, appears to be its own issuer.
  for (const auto& [leaf_name, issuer_name] :
       {std::pair("", ""), std::pair("", "Test CA"), std::pair("One", ""), std::pair("One", "One"),
        std::pair("One", "Test CA")}) {
    for (const bool key_ids : {false, true}) {
      CAPTURE(leaf_name, issuer_name, key_ids);
      auto above = authority(issuer_name);
      auto below = leaf();
      below.common_name = leaf_name;
      above.key_ids = below.key_ids = key_ids;
      const Ca root(above);
      const auto material = test::svid_material(root, below);
      std::vector<std::string> warnings;
      const auto svid = spiffe::identity::X509Svid::parse(material, warnings);
      REQUIRE(svid);
      const auto bundle = spiffe::identity::X509Bundle::parse(svid->id.trust_domain(), material.bundle);
      REQUIRE(bundle);
      const bool accepted = test::openssl_accepts(svid->chain, bundle->authorities.front());
      CHECK(spiffe::identity::verify_chain(*svid, *bundle, kNow).has_value() == accepted);
      CHECK(accepted == (key_ids || std::string_view(leaf_name) != issuer_name));
    }
  }
}

TEST_CASE("a path with the same subject twice is not usual") {
  const Ca root(authority("One"));
  auto options = leaf();
  options.common_name = "One";
  CHECK_FALSE(usual(root, options, root));
  CHECK_FALSE(usual(root.intermediate(authority("One")), leaf(), root));
  const Ca other = root.intermediate(authority("Two"));
  CHECK_FALSE(usual(other.intermediate(authority("One")), leaf(), root));
  CHECK(usual(other.intermediate(authority("Three")), leaf(), root));
}

TEST_CASE("OpenSSL accepts every usual path of generated certificates") {
  test::PathTally tally;
  for (std::uint8_t i = 0; i < 80; ++i) {
    const std::array<std::uint8_t, 2> seed = {1, i};
    test::compare_paths(seed, tally);
  }
  CHECK(tally.counterexample == "");
  CHECK(tally.paths > 8'000);
  CHECK(tally.usual > 40);
}

TEST_CASE("a path with a date in a form that RFC 5280 does not allow is not usual") {
  const Ca root(authority());
  for (const std::string_view until :
       {"20260102040405Z", "20260102040405.5Z", "20260102050405+0100", "202601020404Z"}) {
    CAPTURE(std::string(until));
    const Bytes good = root.issue(leaf()).der;
    const auto* in = reinterpret_cast<const unsigned char*>(good.data());
    const spiffe::X509Ptr odd(d2i_X509(nullptr, &in, static_cast<long>(good.size())));
    ASN1_STRING* date = X509_getm_notAfter(odd.get());
    date->type = V_ASN1_GENERALIZEDTIME;
    REQUIRE(ASN1_STRING_set(date, until.data(), static_cast<int>(until.size())) == 1);
    REQUIRE(X509_sign(odd.get(), root.key().get(), EVP_sha256()) > 0);
    Bytes der(static_cast<std::size_t>(i2d_X509(odd.get(), nullptr)));
    auto* out = reinterpret_cast<unsigned char*>(der.data());
    i2d_X509(odd.get(), &out);
    Tally tally;
    compare({der, root.der()}, 0, der, tally);
    CHECK(tally.usual == (until == "20260102040405Z" ? 1 : 0));
  }
}

TEST_CASE("a path with a key on a curve with explicit parameters is not usual") {
  const auto unnamed = [](CertificateOptions options) {
    options.key_type = KeyType::ec_p256_unnamed;
    return options;
  };
  const Ca root(authority());
  CHECK_FALSE(usual(root, unnamed(leaf()), root));
  CHECK_FALSE(usual(root.intermediate(unnamed(authority("Intermediate"))), leaf(), root));
  const Ca unnamed_root(unnamed(authority()));
  CHECK_FALSE(usual(unnamed_root, leaf(), unnamed_root));
}

TEST_CASE("a leaf under an authority is a usual path, for every type of key") {
  for (const auto type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::ec_p521, KeyType::rsa_2048}) {
    CAPTURE(static_cast<int>(type));
    auto options = authority();
    options.key_type = type;
    const Ca root(options);
    CHECK(usual(root, leaf(), root));
  }
}

TEST_CASE("a path with intermediates, or without key identifiers, is usual") {
  const Ca root(authority());
  const Ca middle = root.intermediate(authority("Intermediate"));
  CHECK(usual(middle, leaf(), root));
  CHECK(usual(middle.intermediate(authority("Deeper")), leaf(), root));
  auto options = leaf();
  options.key_ids = false;
  CHECK(usual(root, options, root));
}

TEST_CASE("a path that is not valid now is not usual") {
  const Ca root(authority());
  CHECK_FALSE(usual(root, leaf(), root, kNow - 2min));
  CHECK_FALSE(usual(root, leaf(), root, kNow + 1h));
  auto old = authority();
  old.not_after = kNow - 1s;
  const Ca expired(old);
  CHECK_FALSE(usual(expired, leaf(), expired));
}

TEST_CASE("a path with a changed signature, or another authority of the same name, is not usual") {
  const Ca root(authority());
  CHECK_FALSE(usual(root, leaf(), Ca(authority())));
  auto der = root.issue(leaf()).der;
  der.back() ^= std::byte{1};
  const auto changed = Certificate::parse_concatenated(der);
  REQUIRE(changed);
  CHECK_FALSE(is_usual_path(*changed, *Certificate::parse(root.der()), kNow));
}

TEST_CASE("a path with an issuer that is not a CA, or whose path length is exceeded, is not usual") {
  auto options = authority();
  options.ca = false;
  const Ca no_ca(options);
  CHECK_FALSE(usual(no_ca, leaf(), no_ca));
  options = authority();
  options.key_usage = "critical,cRLSign";
  const Ca no_signer(options);
  CHECK_FALSE(usual(no_signer, leaf(), no_signer));
  options = authority();
  options.ca.reset();
  options.extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"}};
  const Ca shallow(options);
  CHECK(usual(shallow, leaf(), shallow));
  CHECK_FALSE(usual(shallow.intermediate(authority("Intermediate")), leaf(), shallow));
}

TEST_CASE("a path with name constraints, other extensions or other signatures is not usual") {
  auto options = authority();
  options.extensions = {{NID_name_constraints, "critical,permitted;URI:example.org"}};
  const Ca constrained(options);
  CHECK_FALSE(usual(constrained, leaf(), constrained));
  const Ca root(authority());
  auto with_policy = leaf();
  with_policy.extensions = {{NID_tlsfeature, "status_request"}};
  CHECK_FALSE(usual(root, with_policy, root));
  options = authority();
  options.key_type = KeyType::ed25519;
  const Ca edwards(options);
  CHECK_FALSE(usual(edwards, leaf(), edwards));
}
