#include "identity/usual_path.hh"

#include "identity/x509_svid.hh"
#include "support/catch.hh"
#include "support/pki.hh"

using namespace std::chrono_literals;
using spiffe::WallTime;
using spiffe::identity::Certificate;
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

}  // namespace

TEST_CASE("a leaf under an authority is a usual path, whatever the key") {
  for (const auto type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::ec_p521, KeyType::rsa_2048}) {
    CAPTURE(static_cast<int>(type));
    auto options = authority();
    options.key_type = type;
    const Ca root(options);
    CHECK(usual(root, leaf(), root));
  }
}

TEST_CASE("so is one with intermediates, and one without key identifiers") {
  const Ca root(authority());
  const Ca middle = root.intermediate(authority("Intermediate"));
  CHECK(usual(middle, leaf(), root));
  CHECK(usual(middle.intermediate(authority("Deeper")), leaf(), root));
  auto options = leaf();
  options.key_ids = false;
  CHECK(usual(root, options, root));
}

TEST_CASE("a path that is not good now is none") {
  const Ca root(authority());
  CHECK_FALSE(usual(root, leaf(), root, kNow - 2min));
  CHECK_FALSE(usual(root, leaf(), root, kNow + 1h));
  auto old = authority();
  old.not_after = kNow - 1s;
  const Ca expired(old);
  CHECK_FALSE(usual(expired, leaf(), expired));
}

TEST_CASE("a path is none under an authority of the same name, or where a signature was changed") {
  const Ca root(authority());
  CHECK_FALSE(usual(root, leaf(), Ca(authority())));
  auto der = root.issue(leaf()).der;
  der.back() ^= std::byte{1};
  const auto changed = Certificate::parse_concatenated(der);
  REQUIRE(changed);
  CHECK_FALSE(is_usual_path(*changed, *Certificate::parse(root.der()), kNow));
}

TEST_CASE("an issuer that is no authority, or for fewer than stand below it, makes none") {
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

TEST_CASE("what is unusual is left to OpenSSL: name constraints, other extensions, other signatures") {
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
