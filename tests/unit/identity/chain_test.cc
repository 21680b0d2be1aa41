#include <chrono>

#include "base/text.hh"
#include "identity/x509_svid.hh"
#include "support/catch.hh"
#include "support/pki.hh"

using namespace std::chrono_literals;
using spiffe::WallTime;
using spiffe::identity::Bytes;
using spiffe::identity::TrustDomain;
using spiffe::identity::X509Bundle;
using spiffe::identity::X509Svid;
namespace test = spiffe::test;
using test::authority;
using test::Ca;
using test::CertificateOptions;
using test::kNow;
using test::leaf;

namespace {

struct Outcome {
  std::string text;  // "ok", or the error
  std::optional<WallTime> valid_from;
};

Outcome verify(const spiffe::identity::X509SvidMaterial& material, const Bytes& bundle_der,
               WallTime now = kNow) {
  std::vector<std::string> warnings;
  const auto svid = X509Svid::parse(material, warnings);
  if (!svid) return {"refused before: " + svid.error().message, {}};
  const auto bundle = X509Bundle::parse(*TrustDomain::parse("example.org"), bundle_der);
  if (!bundle) return {"refused before: " + bundle.error().message, {}};
  const auto verified = spiffe::identity::verify_chain(*svid, *bundle, now);
  if (verified) return {"ok", {}};
  CHECK(verified.error().error.kind == spiffe::ErrorKind::verification);
  return {verified.error().error.message, verified.error().valid_from};
}

Outcome verify(const Ca& ca, const CertificateOptions& options, const Bytes& bundle_der,
               WallTime now = kNow) {
  return verify(test::svid_material(ca, options), bundle_der, now);
}

}  // namespace

TEST_CASE("a chain that leads to an authority verifies") {
  const Ca root(authority());
  CHECK(verify(root, leaf(), root.der()).text == "ok");
  const Ca middle = root.intermediate(authority("Intermediate"));
  CHECK(verify(middle, leaf(), root.der()).text == "ok");
  const Ca deep = middle.intermediate(authority("Deeper"));
  CHECK(verify(deep, leaf(), root.der()).text == "ok");
}

TEST_CASE("every accepted type of key can sign a chain and be signed") {
  using test::KeyType;
  for (const auto type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::ec_p521, KeyType::rsa_1024,
                          KeyType::rsa_2048, KeyType::ed25519}) {
    CAPTURE(static_cast<int>(type));
    auto options = authority();
    options.key_type = type;
    auto leaf_options = leaf();
    leaf_options.key_type = type;
    const Ca root(options);
    CHECK(verify(root, leaf_options, root.der()).text == "ok");
  }
}

TEST_CASE("an authority need not be self-signed") {
  const Ca middle = Ca(authority()).intermediate(authority("Intermediate"));
  CHECK(verify(middle, leaf(), middle.der()).text == "ok");
}

TEST_CASE("a chain without its intermediate does not verify") {
  const Ca root(authority());
  const Ca middle = root.intermediate(authority("Intermediate"));
  auto material = test::svid_material(middle, leaf());
  material.certificates = middle.issue(leaf()).der;
  const auto issued = middle.issue(leaf());
  material.certificates = issued.der;
  material.key = issued.key.pkcs8();
  CHECK(verify(material, root.der()).text ==
        "no authority of \"example.org\" issued it: the chain ends at issuer \"CN=Intermediate\", the bundle "
        "holds 1 "
        "(\"CN=Test CA\")");
}

TEST_CASE("an authority with another subject, or another key, does not verify a chain") {
  const Ca root(authority());
  const Ca other(authority("Other CA"));
  const Ca impostor(authority());
  CHECK(verify(root, leaf(), other.der()).text ==
        "no authority of \"example.org\" issued it: the chain ends at issuer \"CN=Test CA\", the bundle "
        "holds 1 "
        "(\"CN=Other CA\")");
  CHECK(verify(root, leaf(), impostor.der()).text ==
        "no authority of \"example.org\" issued it: the chain ends at issuer \"CN=Test CA\", the bundle "
        "holds 1 "
        "(\"CN=Test CA\")");
  auto plain = authority();
  plain.key_ids = false;
  auto plain_leaf = leaf();
  plain_leaf.key_ids = false;
  CHECK(verify(Ca(plain), plain_leaf, Ca(plain).der()).text ==
        "leaf certificate: certificate signature failure");
}

TEST_CASE("several authorities with one subject work, in any order, with and without key identifiers") {
  for (const bool key_ids : {true, false}) {
    CAPTURE(key_ids);
    auto options = authority();
    options.key_ids = key_ids;
    auto leaf_options = leaf();
    leaf_options.key_ids = key_ids;
    const Ca a(options);
    const Ca b(options);
    const Ca c(options);
    const Bytes bundle = test::concat({a.der(), b.der(), c.der()});
    for (const Ca* ca : {&a, &b, &c}) {
      CHECK(verify(*ca, leaf_options, bundle).text == "ok");
      CHECK(verify(ca->intermediate(authority("Intermediate")), leaf(), bundle).text == "ok");
    }
  }
}

TEST_CASE("an intermediate may have the subject of its authority") {
  const Ca root(authority());
  CHECK(verify(root.intermediate(authority()), leaf(), root.der()).text == "ok");
}

TEST_CASE("an expired certificate is refused, and waiting does not help") {
  const Ca root(authority());
  auto options = leaf();
  options.not_after = kNow - 5min;
  options.not_before = kNow - 1h;
  const auto outcome = verify(root, options, root.der());
  CHECK(outcome.text == "leaf certificate expired: not after 2026-01-02T02:59:05Z");
  CHECK_FALSE(outcome.valid_from);
  // A repeated message is logged once only if its text is the same.
  CHECK(verify(root, options, root.der(), kNow + 2min).text == outcome.text);
}

TEST_CASE("the error names the expired certificate of a chain") {
  const Ca root(authority());
  auto old = authority("Intermediate");
  old.not_after = kNow - 49h;
  old.not_before = kNow - 100h;
  CHECK(verify(root.intermediate(old), leaf(), root.der()).text ==
        "intermediate certificate 1 expired: not after 2025-12-31T02:04:05Z");
  const Ca old_root(old);
  CHECK(verify(old_root, leaf(), old_root.der()).text ==
        "authority \"CN=Intermediate\" expired: not after 2025-12-31T02:04:05Z");
}

TEST_CASE("the error about a chain that is only too early states when it is valid") {
  const Ca root(authority());
  auto options = leaf();
  options.not_before = kNow + 20s;
  const auto outcome = verify(root, options, root.der(), kNow);
  CHECK(outcome.text == "leaf certificate not yet valid: not before 2026-01-02T03:04:25Z");
  REQUIRE(outcome.valid_from);
  CHECK(*outcome.valid_from == kNow + 20s);
  CHECK(verify(root, options, root.der(), kNow + 20s).text == "ok");
  CHECK(verify(root, options, root.der(), kNow + 19999ms).text ==
        "leaf certificate not yet valid: not before 2026-01-02T03:04:25Z");
}

TEST_CASE("if an intermediate or authority is too early as well, the latest NotBefore decides") {
  const Ca root(authority());
  auto early = authority("Intermediate");
  early.not_before = kNow + 2h;
  auto leaf_options = leaf();
  leaf_options.not_before = kNow + 1h;
  leaf_options.not_after = kNow + 3h;
  const auto outcome = verify(root.intermediate(early), leaf_options, root.der());
  CHECK(outcome.text == "intermediate certificate 1 not yet valid: not before 2026-01-02T05:04:05Z");
  CHECK(outcome.valid_from == kNow + 2h);
  const Ca early_root(early);
  leaf_options.not_before = kNow;
  const auto by_root = verify(early_root, leaf_options, early_root.der());
  CHECK(by_root.text == "authority \"CN=Intermediate\" not yet valid: not before 2026-01-02T05:04:05Z");
  CHECK(by_root.valid_from == kNow + 2h);
}

TEST_CASE("waiting does not help if something else is wrong too") {
  auto plain = authority();
  plain.key_ids = false;
  auto early = leaf();
  early.key_ids = false;
  early.not_before = kNow + 20s;
  SECTION("a wrong signature") {
    const auto outcome = verify(Ca(plain), early, Ca(plain).der());
    CHECK(outcome.text == "leaf certificate: certificate signature failure");
    CHECK_FALSE(outcome.valid_from);
  }
  SECTION("a wrong signature below an authority that is early itself") {
    plain.not_before = kNow + 10s;
    const auto outcome = verify(Ca(plain), leaf(), Ca(plain).der());
    CHECK_FALSE(outcome.valid_from);
  }
  SECTION("an authority that has expired by then") {
    auto short_lived = authority();
    short_lived.not_after = kNow + 10s;
    const Ca root(short_lived);
    const auto outcome = verify(root, early, root.der());
    CHECK(outcome.text ==
          "leaf certificate not yet valid: not before 2026-01-02T03:04:25Z; and at that time: "
          "authority "
          "\"CN=Test CA\" expired: not after 2026-01-02T03:04:15Z");
    CHECK_FALSE(outcome.valid_from);
  }
  SECTION("a name constraint") {
    auto constrained = authority();
    constrained.extensions = {{NID_name_constraints, "critical,permitted;URI:example.net"}};
    const Ca root(constrained);
    CHECK_FALSE(verify(root, early, root.der()).valid_from);
  }
}

TEST_CASE("of several authorities that are too early, the first to be valid decides") {
  auto options = authority();
  options.key = test::Key::generate();
  options.not_before = kNow + 2h;
  const Ca later(options);
  options.not_before = kNow + 1h;
  const Ca sooner(options);
  auto leaf_options = leaf();
  leaf_options.not_after = kNow + 5h;
  CHECK(verify(later, leaf_options, test::concat({later.der(), sooner.der()})).valid_from == kNow + 1h);
  CHECK(verify(later, leaf_options, test::concat({sooner.der(), later.der()})).valid_from == kNow + 1h);
}

TEST_CASE("an authority renewed with the same key is found beside the expired one") {
  auto options = authority();
  options.key = test::Key::generate();
  const Ca fresh(options);
  options.not_before = kNow - 100h;
  options.not_after = kNow - 1h;
  const Ca stale(options);
  CHECK(verify(fresh, leaf(), test::concat({stale.der(), fresh.der()})).text == "ok");
  CHECK(verify(fresh, leaf(), test::concat({fresh.der(), stale.der()})).text == "ok");
}

TEST_CASE("an authority must be a CA with keyCertSign") {
  auto options = authority();
  options.ca = false;
  CHECK(verify(Ca(options), leaf(), Ca(options).der()).text != "ok");
  const Ca no_ca(options);
  CHECK(verify(no_ca, leaf(), no_ca.der()).text == "authority \"CN=Test CA\": invalid CA certificate");
  options.ca = true;
  options.key_usage = "critical,cRLSign";
  const Ca no_sign(options);
  CHECK(verify(no_sign, leaf(), no_sign.der()).text != "ok");
}

TEST_CASE("path length constraints of a chain apply") {
  auto options = authority();
  options.ca = std::nullopt;
  options.extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"}};
  const Ca root(options);
  CHECK(verify(root, leaf(), root.der()).text == "ok");
  CHECK(verify(root.intermediate(authority("Intermediate")), leaf(), root.der())
            .text.ends_with("path length constraint exceeded"));
}

TEST_CASE("URI name constraints apply to SPIFFE IDs") {
  const auto with = [](const std::string& constraint, const std::string& id) {
    auto options = authority();
    options.extensions = {{NID_name_constraints, "critical," + constraint}};
    const Ca root(options);
    return verify(root, leaf(id), root.der()).text;
  };
  CHECK(with("permitted;URI:example.org", "spiffe://example.org/web") == "ok");
  CHECK(with("permitted;URI:example.net", "spiffe://example.org/web") ==
        "leaf certificate: permitted subtree violation");
  CHECK(with("permitted;URI:.example.org", "spiffe://a.example.org/web") == "ok");
  CHECK(with("permitted;URI:.example.org", "spiffe://example.org/web") ==
        "leaf certificate: permitted subtree violation");
  CHECK(with("excluded;URI:example.org", "spiffe://example.org/web") ==
        "leaf certificate: excluded subtree violation");
  CHECK(with("excluded;URI:example.net", "spiffe://example.org/web") == "ok");
  CHECK(with("permitted;DNS:example.net", "spiffe://example.org/web") == "ok");
}

TEST_CASE("an unknown critical extension is refused, and no purpose is checked") {
  const Ca root(authority());
  auto options = leaf();
  options.extensions = {{NID_netscape_comment, "critical,anything"}};
  CHECK(verify(root, options, root.der()).text == "leaf certificate: unhandled critical extension");
  options = leaf();
  options.ext_key_usage = "critical,codeSigning";
  CHECK(verify(root, options, root.der()).text == "ok");
}

TEST_CASE("SHA-1 signatures are refused, as in Go") {
  const Ca root(authority());
  const auto issued = root.issue(leaf());
  const auto* in = reinterpret_cast<const unsigned char*>(issued.der.data());
  const spiffe::X509Ptr certificate(d2i_X509(nullptr, &in, static_cast<long>(issued.der.size())));
  REQUIRE(X509_sign(certificate.get(), root.key().get(), EVP_sha1()) > 0);
  auto material = test::svid_material(root, leaf());
  material.certificates.resize(static_cast<std::size_t>(i2d_X509(certificate.get(), nullptr)));
  auto* out = reinterpret_cast<unsigned char*>(material.certificates.data());
  i2d_X509(certificate.get(), &out);
  material.key = issued.key.pkcs8();
  const auto outcome = verify(material, root.der());
  CHECK(outcome.text == "leaf certificate: signed with SHA-1 or MD5");
  CHECK_FALSE(outcome.valid_from);
}

TEST_CASE("a root signed with SHA-1 is still a trust anchor") {
  const auto options = authority();
  const Ca root(options);
  const auto* in = reinterpret_cast<const unsigned char*>(root.der().data());
  const spiffe::X509Ptr certificate(d2i_X509(nullptr, &in, static_cast<long>(root.der().size())));
  REQUIRE(X509_sign(certificate.get(), root.key().get(), EVP_sha1()) > 0);
  Bytes der(static_cast<std::size_t>(i2d_X509(certificate.get(), nullptr)));
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate.get(), &out);
  CHECK(verify(root, leaf(), der).text == "ok");
}

TEST_CASE("a leaf in the bundle is not an authority for itself") {
  const Ca root(authority());
  const auto material = test::svid_material(root, leaf());
  CHECK(verify(material, material.certificates).text != "ok");
}

TEST_CASE("the host's trust store is not used") {
  const Ca root(authority());
  CHECK(verify(root, leaf(), Ca(authority("Other CA")).der()).text != "ok");
}
