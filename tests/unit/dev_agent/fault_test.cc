#include "dev_agent/fault.hh"

#include <algorithm>
#include <set>

#include "identity/x509_svid.hh"
#include "support/catch.hh"

using namespace spiffe;
using namespace spiffe::dev_agent;

namespace {

Issuer issuer(KeyType type = KeyType::ec_p256, bool intermediate = false) {
  return Issuer::create({.trust_domain = identity::TrustDomain::parse("example.org").value(),
                         .key_type = type,
                         .intermediate = intermediate})
      .value();
}

Snapshot two_svids(const Issuer& issuer) {
  Snapshot snapshot;
  for (const char* id : {"spiffe://example.org/a", "spiffe://example.org/b"}) {
    Svid svid{};
    svid.spiffe_id = id;
    REQUIRE(issuer.issue(issuer.spec(id), svid));
    svid.bundle = issuer.bundle();
    snapshot.svids.push_back(std::move(svid));
  }
  return snapshot;
}

bool same(const Svid& a, const Svid& b) {
  return a.spiffe_id == b.spiffe_id && a.certificates == b.certificates && a.key == b.key &&
         a.bundle == b.bundle && a.hint == b.hint;
}

}  // namespace

TEST_CASE("every fault has a unique name, an explanation, and one effect") {
  std::set<std::string_view> names;
  for (const Fault& fault : faults()) {
    INFO(fault.name);
    CHECK(names.insert(fault.name).second);
    CHECK_FALSE(fault.what.empty());
    const int does = (fault.spoil_svid != nullptr) + (fault.spoil_message != nullptr) +
                     (fault.spoil_jwt != nullptr) + (fault.behave != nullptr);
    CHECK(does == 1);
  }
}

TEST_CASE("a fault is requested by name, number of the SVID, and argument") {
  CHECK(parse_fault("expired")->fault->name == "expired");
  CHECK_FALSE(parse_fault("expired")->only);
  CHECK(parse_fault("wrong-key@2")->only == 1U);
  CHECK(parse_fault("not-yet-valid")->argument == 20);
  CHECK(parse_fault("not-yet-valid@1 5")->argument == 5);
  CHECK(parse_fault("delay 100")->argument == 100);
}

TEST_CASE("a fault that cannot be understood is refused") {
  for (const char* text : {"", "Expired", "expired 3", "delay", "delay -1", "delay x", "wrong-key@",
                           "wrong-key@0", "wrong-key@x", "deny@1", "no-svids@1"}) {
    INFO(text);
    CHECK_FALSE(parse_fault(text));
  }
}

TEST_CASE("spoiling an SVID does not change another one") {
  const Issuer authority = issuer();
  const Snapshot good = two_svids(authority);
  for (const Fault& fault : faults()) {
    if (fault.spoil_svid == nullptr) continue;
    INFO(fault.name);
    Snapshot spoiled = good;
    REQUIRE(spoil({&fault, fault.standard_argument, 1}, authority, spoiled));
    CHECK(same(spoiled.svids[0], good.svids[0]));
    CHECK_FALSE(same(spoiled.svids[1], good.svids[1]));
  }
  Snapshot snapshot = good;
  CHECK_FALSE(spoil({parse_fault("expired")->fault, 0, 2}, authority, snapshot));
}

TEST_CASE("the helper accepts valid SVIDs with every type of key") {
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048, KeyType::ed25519}) {
    const Issuer authority = issuer(type, true);
    const Svid svid = two_svids(authority).svids[0];
    const auto bytes = [](const std::string& text) {
      const auto span = std::as_bytes(std::span(text));
      return identity::Bytes(span.begin(), span.end());
    };
    std::vector<std::string> warnings;
    const auto parsed = identity::X509Svid::parse(
        {svid.spiffe_id, bytes(svid.certificates), SecretBytes(svid.key), bytes(svid.bundle), ""}, warnings);
    REQUIRE(parsed);
    CHECK(warnings.empty());
    const auto bundle = identity::X509Bundle::parse(parsed->id.trust_domain(), bytes(svid.bundle));
    REQUIRE(bundle);
    CHECK(identity::verify_chain(*parsed, *bundle, wall_now()));
  }
}
