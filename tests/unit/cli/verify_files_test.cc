#include "cli/files/verify_files.hh"

#include "base/base64.hh"
#include "cli/files/pem_blocks.hh"
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
using spiffe::ErrorKind;
using spiffe::cli::parse_pem;
using spiffe::cli::verify_jwt;
using spiffe::cli::verify_x509;
using spiffe::identity::Bytes;
using spiffe::identity::SpiffeId;
namespace test = spiffe::test;
using test::authority;
using test::Ca;
using test::CertificateOptions;
using test::kNow;
using test::leaf;
using test::pem;
using test::traditional;

namespace {

constexpr const char* kId = "spiffe://example.org/web";

std::string pem_of(const test::Issued& issued) {
  std::string out = pem(issued.der);
  for (const Bytes& each : issued.intermediates) out += pem(each);
  return out;
}

// "ok", or the error.
std::string verdict(const std::string& svid, const std::string& bundle, std::optional<SpiffeId> id = {}) {
  const auto verified = verify_x509(svid, bundle, id, kNow);
  if (verified) return "ok";
  CHECK(verified.error().kind == ErrorKind::verification);
  return verified.error().message;
}

std::string verdict(const CertificateOptions& options) {
  const Ca root(authority());
  return verdict(pem_of(root.issue(options)), pem(root.der()));
}

std::string verdict_by(const CertificateOptions& middle) {
  const Ca root(authority());
  return verdict(pem_of(root.intermediate(middle).issue(leaf())), pem(root.der()));
}

template <class Change>
CertificateOptions changed(CertificateOptions options, Change change) {
  change(options);
  return options;
}

CertificateOptions with_uris(std::vector<std::string> uris) {
  return changed(leaf(), [&](auto& o) { o.uris = std::move(uris); });
}

}  // namespace

TEST_CASE("verify: an identity that meets the standards is accepted") {
  CHECK(verdict(leaf()) == "ok");
  CHECK(verdict_by(authority("Intermediate")) == "ok");
  CHECK(verdict_by(changed(authority("Intermediate"), [](auto& o) { o.uris = {"spiffe://example.org"}; })) ==
        "ok");
  CHECK(verdict(changed(leaf(), [](auto& o) { o.dns = {"web.example.org"}; })) == "ok");
  CHECK(verdict(changed(leaf(), [](auto& o) { o.ext_key_usage = ""; })) == "ok");
  CHECK(verdict(changed(leaf(), [](auto& o) { o.ca = std::nullopt; })) == "ok");
  for (const auto type :
       {test::KeyType::ec_p384, test::KeyType::ec_p521, test::KeyType::rsa_2048, test::KeyType::ed25519}) {
    CHECK(verdict(changed(leaf(), [type](auto& o) { o.key_type = type; })) == "ok");
  }
  for (const char* id :
       {"spiffe://example.org/...", "spiffe://-x/.a", "spiffe://a..b/c_d-E.9", "SPIFFE://example.org/web"}) {
    CAPTURE(id);
    CHECK(verdict(leaf(id)) == "ok");
  }
  const Ca middle = Ca(authority()).intermediate(authority("Intermediate"));
  CHECK(verdict(pem(middle.issue(leaf()).der), pem(middle.der())) == "ok");
}

TEST_CASE("verify: a certificate that cannot be a leaf is refused") {
  CHECK(verdict(with_uris({})) == "leaf certificate: has no URI SAN");
  CHECK(verdict(changed(with_uris({}), [](auto& o) { o.dns = {"web.example.org"}; })) ==
        "leaf certificate: has no URI SAN");
  CHECK(verdict(with_uris({kId, kId})) == "leaf certificate: has 2 URI SANs, not one");
  CHECK(verdict(with_uris({kId, "https://example.org"})) == "leaf certificate: has 2 URI SANs, not one");
  CHECK(verdict(leaf("spiffe://example.org")) ==
        "leaf certificate: its SPIFFE ID \"spiffe://example.org\" has no path");
  CHECK(verdict(changed(leaf(), [](auto& o) { o.ca = true; })) == "leaf certificate: is a CA certificate");
  const auto with_usage = [](std::string usage) {
    return verdict(changed(leaf(), [&](auto& o) { o.key_usage = std::move(usage); }));
  };
  CHECK(with_usage("") == "leaf certificate: has no keyUsage");
  CHECK(with_usage("critical,digitalSignature,keyCertSign") == "leaf certificate: has keyUsage keyCertSign");
  CHECK(with_usage("critical,digitalSignature,cRLSign") == "leaf certificate: has keyUsage cRLSign");
  CHECK(with_usage("critical,keyEncipherment") ==
        "leaf certificate: has a keyUsage without digitalSignature");
  const Ca root(authority());
  CHECK(verdict(pem(root.der()), pem(root.der())) == "leaf certificate: has no URI SAN");
}

TEST_CASE("verify: an invalid SPIFFE ID is refused") {
  for (const char* id :
       {"https://example.org/web", "spiffe:///web", "spiffe://Example.org/web", "spiffe://u@example.org/web",
        "spiffe://example.org:80/web", "spiffe://example.org/a%20b", "spiffe://[::1]/web",
        "spiffe://example.org/web?x", "spiffe://example.org/web#x", "spiffe://example.org//web",
        "spiffe://example.org/web/", "spiffe://example.org/./web", "spiffe://example.org/../web"}) {
    CAPTURE(id);
    CHECK(verdict(leaf(id)).starts_with("leaf certificate: "));
  }
  CHECK(verdict(leaf("spiffe://example.org/" + std::string(2028, 'a'))).starts_with("leaf certificate: "));
  CHECK(verdict(leaf("spiffe://example.org/" + std::string(2027, 'a'))) == "ok");
}

TEST_CASE("verify: an intermediate that is not a CA is refused") {
  const std::string which = "intermediate certificate 1: ";
  CHECK(verdict_by(changed(authority("I"), [](auto& o) { o.ca = false; })) ==
        which + "is not a CA certificate");
  CHECK(verdict_by(changed(authority("I"), [](auto& o) { o.key_usage = "critical,cRLSign"; })) ==
        which + "lacks keyUsage keyCertSign");
  CHECK(verdict_by(changed(authority("I"), [](auto& o) { o.uris = {"spiffe://example.org/ca"}; })) ==
        which + "its SPIFFE ID \"spiffe://example.org/ca\" has a path");
}

TEST_CASE("verify: a chain that does not lead to the bundle (RFC 5280) is refused") {
  CHECK(verdict(changed(leaf(), [](auto& o) {
          o.not_after = kNow - 1s;
        })).starts_with("leaf certificate expired"));
  CHECK(verdict(changed(leaf(), [](auto& o) {
          o.not_before = kNow + 1h;
          o.not_after = kNow + 2h;
        })).starts_with("leaf certificate not yet valid"));
  const Ca root(authority());
  const auto issued = pem_of(root.issue(leaf()));
  CHECK(verdict(issued, pem(Ca(authority()).der())).starts_with("no authority of \"example.org\" issued it"));
  CHECK(verdict(issued, pem(Ca(authority("Other")).der())).starts_with("no authority of \"example.org\""));
  CHECK(verdict(issued, pem(Ca(authority("Other")).der()) + pem(root.der())) == "ok");
  const auto limited = [](const char* constraint) {
    return verdict_by(changed(authority("I"), [&](auto& o) {
      o.extensions = {{NID_name_constraints, std::string("critical,") + constraint}};
    }));
  };
  CHECK(limited("permitted;URI:example.org") == "ok");
  CHECK(limited("permitted;URI:example.net") == "leaf certificate: permitted subtree violation");
  CHECK(limited("excluded;URI:example.org") == "leaf certificate: excluded subtree violation");
  const auto old = changed(authority("I"), [](auto& o) { o.not_after = kNow - 1s; });
  CHECK(verdict_by(old).starts_with("intermediate certificate 1 expired"));
  const auto middle = root.intermediate(authority("I")).issue(leaf());
  CHECK(verdict(pem(middle.der), pem(root.der())).starts_with("no authority"));
}

TEST_CASE("verify: a key in the file must be the leaf's, and bytes after DER are an error") {
  const Ca root(authority());
  const auto issued = root.issue(leaf());
  const auto with_key = [&](const test::Key& key) {
    return verdict(pem(key.pkcs8().bytes(), "PRIVATE KEY") + pem_of(issued), pem(root.der()));
  };
  CHECK(with_key(issued.key) == "ok");
  CHECK(with_key(test::Key::generate()) == "the private key does not belong to the leaf certificate");
  Bytes longer = issued.der;
  longer.push_back(std::byte{0});
  CHECK(verdict(pem(longer), pem(root.der())) != "ok");
  // A reader of PEM would not find one certificate in two blocks, nor two in one.
  const std::span der(issued.der);
  CHECK(verdict(pem(der.first(100)) + pem(der.subspan(100)), pem(root.der())) == "not a DER certificate");
  const auto below = root.intermediate(authority("I")).issue(leaf());
  CHECK(verdict(pem_of(below), pem(root.der())) == "ok");
  CHECK(verdict(pem(below.chain()), pem(root.der())) == "bytes follow the certificate");
}

TEST_CASE("verify: SEC 1 and PKCS#1 keys must be the leaf's too, before or after the chain") {
  const Ca root(authority());
  for (const auto type : {test::KeyType::ec_p256, test::KeyType::ec_p521, test::KeyType::rsa_2048}) {
    const auto issued = root.issue(changed(leaf(), [&](auto& o) { o.key_type = type; }));
    const std::string chain = pem_of(issued);
    const std::string other = traditional(test::Key::generate(type));
    const std::string own = traditional(issued.key);
    for (const auto& text : {own + chain, chain + own}) CHECK(verdict(text, pem(root.der())) == "ok");
    for (const auto& text : {other + chain, chain + other})
      CHECK(verdict(text, pem(root.der())) == "the private key does not belong to the leaf certificate");
    CHECK(verdict(own + chain + other, pem(root.der())) == "holds several private keys");
  }
}

TEST_CASE("verify: a key in the file that cannot be read is refused") {
  const Ca root(authority());
  const auto issued = root.issue(leaf());
  const auto key = issued.key.pkcs8();
  const auto with = [&](std::span<const std::byte> der, std::string_view label) {
    return verdict(pem_of(issued) + pem(der, label), pem(root.der()));
  };
  CHECK(with(key.bytes(), "ENCRYPTED PRIVATE KEY") == "the private key is encrypted");
  CHECK(with(key.bytes(), "RSA PRIVATE KEY") == "the private key is of another type than its label says");
  CHECK(with(key.bytes().first(40), "EC PRIVATE KEY") == "the private key cannot be read");
}

TEST_CASE("verify: -id must be the SVID's ID") {
  const Ca root(authority());
  const auto svid = pem_of(root.issue(leaf()));
  CHECK(verdict(svid, pem(root.der()), *SpiffeId::parse(kId)) == "ok");
  CHECK(verdict(svid, pem(root.der()), *SpiffeId::parse("spiffe://example.org/db")) ==
        "it is of \"spiffe://example.org/web\", not of \"spiffe://example.org/db\"");
}

TEST_CASE("verify: without a bundle there is no verdict") {
  const Ca root(authority());
  const auto svid = pem_of(root.issue(leaf()));
  for (const std::string bundle : {"", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n"}) {
    CAPTURE(bundle);
    const auto verified = verify_x509(svid, bundle, {}, kNow);
    REQUIRE_FALSE(verified);
    CHECK(verified.error().kind == ErrorKind::failed);
    const auto token = verify_jwt("a.b.c", {}, bundle, {}, kNow);
    REQUIRE_FALSE(token);
    CHECK(token.error().kind == ErrorKind::failed);
  }
  CHECK(verdict("", pem(root.der())) == "holds no PEM certificate");
}

TEST_CASE("verify: a token is verified with a JWK Set, a bundle map or the helper's file") {
  const auto key = test::Key::generate();
  const json set = json::parse(test::jwks({test::jwk(key, "k1")}));
  const auto now = spiffe::WallTime(1'800'000'000s);
  const json claims = {{"sub", kId}, {"aud", {"db"}}, {"exp", 1'800'000'300}};
  const auto token = test::token(key, {{"alg", "ES256"}, {"kid", "k1"}}, claims) + "\n";
  const std::vector<std::string> audience = {"db"};
  const json map = {{"trust_domains", {{"example.org", set}}}};
  const json file = {{"example.org", spiffe::base64_encode(set.dump())}};
  for (const json& bundle : {set, map, file}) {
    CAPTURE(bundle.dump());
    const auto good = verify_jwt(token, audience, bundle.dump(), {}, now);
    REQUIRE(good);
    CHECK(good->spiffe_id == kId);
    const auto refused = [&](std::span<const std::string> audiences, const char* id, spiffe::WallTime at) {
      const auto verified = verify_jwt(token, audiences, bundle.dump(), SpiffeId::parse(id).value(), at);
      return !verified && verified.error().kind == ErrorKind::verification;
    };
    CHECK_FALSE(refused(audience, kId, now));
    CHECK(refused(std::vector<std::string>{"web"}, kId, now));
    CHECK(refused(audience, "spiffe://example.org/db", now));
    CHECK(refused(audience, kId, now + 300s));
  }
  const json other = json::parse(test::jwks({test::jwk(test::Key::generate(), "k1")}));
  CHECK(verify_jwt(token, audience, other.dump(), {}, now).error().kind == ErrorKind::verification);
  CHECK(verify_jwt("garbage", audience, set.dump(), {}, now).error().kind == ErrorKind::verification);
}

TEST_CASE("PKCS#12 is verified like PEM") {
  const Ca ca;
  const auto material = test::material(ca, "spiffe://example.org/web");
  const auto now = spiffe::wall_now();
  const auto context = spiffe::identity::X509Context::from(material, {}, nullptr, now, true);
  REQUIRE(context);
  const spiffe::SecretBytes password(std::string_view("secret"));
  const spiffe::output::Source source{.identity = *context, .now = now, .keystore_password = &password};
  const auto keystore = spiffe::output::encode_keystore(source, {});
  const auto truststore = spiffe::output::encode_truststore(source, {});
  REQUIRE(keystore);
  REQUIRE(truststore);
  const auto svid = keystore->front().bytes.text();
  const auto bundle = truststore->front().bytes.text();
  CHECK(verify_x509(svid, bundle, {}, now, &password));
  CHECK(verify_x509(svid, pem(ca.der()), {}, now, &password));
  const auto locked = verify_x509(svid, pem(ca.der()), {}, now);
  REQUIRE_FALSE(locked);
  CHECK(locked.error().message == "PKCS#12 with a password of its own");
  const auto other = verify_x509(svid, pem(Ca().der()), {}, now, &password);
  REQUIRE_FALSE(other);
  CHECK(other.error().kind == ErrorKind::verification);
}

TEST_CASE("PEM: text between blocks is ignored, an incomplete block is refused") {
  const std::string block = "-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n";
  const auto two = parse_pem("subject=x\r\n" + block + "# more\n" + block);
  REQUIRE(two);
  CHECK(two->size() == 2);
  CHECK(two->front().label == "CERTIFICATE");
  CHECK(two->front().der.size() == 6);
  CHECK(parse_pem("nothing")->empty());
  const auto refused = [](const std::string& text) { return parse_pem(text).error().message; };
  CHECK(refused(block.substr(0, 40)) == "PEM block 1 (CERTIFICATE) is cut off: it has no end");
  CHECK(refused(block.substr(0, 40) + block) == "PEM block 1 (CERTIFICATE) is cut off: it has no end");
  CHECK(refused("-----BEGIN X-----\n%\n-----END X-----") == "PEM block 1 (X) is not base64");
  CHECK(refused("-----BEGIN X-----\n-----END X-----") == "PEM block 1 (X) is not base64");
  CHECK(refused("-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n-----END X-----").find("headers") !=
        std::string::npos);
  CHECK(refused(std::string("-----BEGIN ") + std::string(200, 'x')) == "PEM block 1 has no label");
}
