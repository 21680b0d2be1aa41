#include "identity/x509_context.hh"

#include <algorithm>
#include <set>

#include "support/catch.hh"
#include "support/pki.hh"

using namespace std::chrono_literals;
using spiffe::wall_now;
using spiffe::identity::Bytes;
using spiffe::identity::Finding;
using spiffe::identity::TrustDomain;
using spiffe::identity::X509Context;
using spiffe::identity::X509Material;
using spiffe::identity::X509Selection;
namespace test = spiffe::test;
using test::Ca;

namespace {

constexpr const char* kId = "spiffe://example.org/web";

// Making a CA is slow (a key and two signatures), and most tests can share one.
const Ca& ca() {
  static const Ca shared;
  return shared;
}

auto take(const X509Material& material, const X509Selection& selection = {},
          const X509Context* previous = nullptr, bool verify = true) {
  return X509Context::from(material, selection, previous, wall_now(), verify);
}

std::string message_refusal(const X509Material& material, const X509Selection& selection = {}) {
  const auto context = take(material, selection);
  if (context) return "accepted " + context->svid.id.str();
  CHECK(context.error().error.kind == spiffe::ErrorKind::verification);
  return context.error().error.message;
}

std::vector<std::string> texts(const X509Context& context) {
  std::vector<std::string> out;
  for (const Finding& finding : context.findings) out.push_back(finding.subject + ": " + finding.message);
  return out;
}

// Three identities; the second and third have hints.
X509Material several() {
  X509Material material;
  material.svids.push_back(test::svid_material(ca(), "spiffe://example.org/a"));
  material.svids.push_back(test::svid_material(ca(), "spiffe://example.org/b", "internal"));
  material.svids.push_back(test::svid_material(ca(), "spiffe://example.org/c", "external"));
  return material;
}

// SVIDs with no empty mandatory field, but invalid content.
void add_unreadable(X509Material& material, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    material.svids.push_back({.spiffe_id = "spiffe://example.org/" + std::to_string(i),
                              .certificates = Bytes(1),
                              .key = spiffe::SecretBytes(std::string_view("x")),
                              .bundle = Bytes(1),
                              .hint = ""});
  }
}

TrustDomain domain(std::string_view name) {
  return *TrustDomain::parse(name);
}

}  // namespace

TEST_CASE("a message becomes a state") {
  auto material = test::material(ca(), kId, "internal");
  material.federated_bundles["example.net"] = Ca().der();
  const auto context = take(material);
  REQUIRE(context);
  CHECK(context->svid.id.str() == kId);
  CHECK(context->svid.hint == "internal");
  CHECK(context->bundle.trust_domain.name() == "example.org");
  REQUIRE(context->bundle.authorities.size() == 1);
  CHECK(context->bundle.authorities[0].der() == ca().der());
  REQUIRE(context->federated.size() == 1);
  CHECK(context->federated.begin()->first.name() == "example.net");
  CHECK(context->svids_received == 1);
  CHECK(context->findings.empty());
}

TEST_CASE("a message is unchanged and can be read again") {
  const auto material = test::material(ca(), kId);
  REQUIRE(take(material));
  CHECK_FALSE(material.svids[0].key.empty());
  REQUIRE(take(material));
}

TEST_CASE("an error in the selected SVID refuses the message and names it") {
  auto material = test::material(ca(), kId);
  material.svids[0].key = test::Key::generate().pkcs8();
  const auto context = take(material);
  REQUIRE_FALSE(context);
  CHECK(context.error().error.message ==
        "spiffe://example.org/web: x509_svid_key: the private key does not belong to the leaf certificate");
  CHECK(context.error().spiffe_id == kId);
  CHECK_FALSE(context.error().valid_from);
}

TEST_CASE("an error in the bundle of the selected SVID refuses the message") {
  auto material = test::material(ca(), kId);
  material.svids[0].bundle.push_back(std::byte{0});
  CHECK(message_refusal(material) ==
        "spiffe://example.org/web: bundle of \"example.org\": certificate 2: not a DER certificate");
}

TEST_CASE("an error in an SVID that is not selected is only reported") {
  auto material = several();
  material.svids[0].key = test::Key::generate().pkcs8();
  const auto context = take(material, {.hint = "internal", .spiffe_id = {}});
  REQUIRE(context);
  CHECK(context->svid.id.path() == "/b");
  CHECK(texts(*context) ==
        std::vector<std::string>{
            "spiffe://example.org/a: not selected, and bad: x509_svid_key: the private key does "
            "not belong to the leaf certificate"});
  CHECK_FALSE(context->findings[0].federated_bundle);
}

TEST_CASE("the chain of an SVID that is not selected is verified too") {
  auto material = several();
  material.svids[0].bundle = Ca(test::authority_options("Other CA")).der();
  const X509Selection selection{.hint = "internal", .spiffe_id = {}};
  const auto context = take(material, selection);
  REQUIRE(context);
  REQUIRE(context->findings.size() == 1);
  CHECK(context->findings[0].subject == "spiffe://example.org/a");
  CHECK(context->findings[0].message.starts_with("not selected, and bad: no authority of"));
  const auto unverified = take(material, selection, nullptr, false);
  REQUIRE(unverified);
  CHECK(unverified->findings.empty());
}

TEST_CASE("only some of many SVIDs that are not selected are verified, the rest is counted") {
  X509Material material;
  material.svids.push_back(test::svid_material(ca(), kId));
  add_unreadable(material, 9'999);
  const auto context = take(material);
  REQUIRE(context);
  CHECK(context->svids_received == 10'000);
  REQUIRE(context->findings.size() == 101);
  CHECK(context->findings[99].message.starts_with("not selected, and bad: "));
  CHECK(context->findings[100].message == "9899 of 9999 SVIDs that are not selected are not examined");
  // The number of bytes is limited too, and the first SVID exceeds it.
  material.svids[1].bundle.resize(std::size_t{1024} * 1024);
  const auto large = take(material);
  REQUIRE(large);
  REQUIRE(large->findings.size() == 1);
  CHECK(large->findings[0].message == "9999 of 9999 SVIDs that are not selected are not examined");
}

TEST_CASE("a message, a chain or a bundle of an absurd size is refused") {
  X509Material material;
  material.svids.push_back(test::svid_material(ca(), kId));
  material.svids[0].bundle.resize(std::size_t{8} * 1024 * 1024 + 1);
  CHECK(message_refusal(material) ==
        "spiffe://example.org/web: bundle has 8388609 bytes, at most 8388608 are taken");
  material.svids[0].certificates.resize(std::size_t{1024} * 1024 + 1);
  CHECK(message_refusal(material) ==
        "spiffe://example.org/web: x509_svid has 1048577 bytes, at most 1048576 are taken");
  add_unreadable(material, 10'000);
  CHECK(message_refusal(material) == "the message holds 10001 SVIDs, at most 10000 are taken");
}

TEST_CASE("only some of many SVIDs with the same hint are reported") {
  X509Material material;
  material.svids.push_back(test::svid_material(ca(), kId, "same"));
  add_unreadable(material, 199);
  for (auto& svid : material.svids) svid.hint = "same";
  const auto context = take(material);
  REQUIRE(context);
  CHECK(context->findings.size() == 100);
}

TEST_CASE("a federated bundle that cannot be read keeps its previous content, the rest is new") {
  const Ca net;
  const Ca com;
  const Ca fresh;
  auto material = test::material(ca(), kId);
  material.federated_bundles = {{"example.com", com.der()}, {"example.net", net.der()}};
  const auto before = take(material);
  REQUIRE(before);
  for (const Bytes& bad : {Bytes{}, test::bytes("garbage"), test::concat({fresh.der(), Bytes(1)})}) {
    material.federated_bundles = {{"example.com", fresh.der()}, {"example.net", bad}, {"example.edu", bad}};
    const auto after = take(material, {}, &*before);
    REQUIRE(after);
    REQUIRE(after->federated.size() == 2);
    CHECK(after->federated.at(domain("example.com")).authorities[0].der() == fresh.der());
    CHECK(after->federated.at(domain("example.net")).authorities[0].der() == net.der());
    REQUIRE(after->findings.size() == 2);
    CHECK(std::ranges::all_of(after->findings, &Finding::federated_bundle));
    CHECK(after->findings[0].subject == "example.edu");
    CHECK(after->findings[1].subject == "example.net");
    CHECK(after->findings[1].message.starts_with("federated bundle not taken: bundle of \"example.net\": "));
  }
}

TEST_CASE("a federated bundle with an invalid name is reported, escaped") {
  auto material = test::material(ca(), kId);
  material.federated_bundles = {{"Example\n", Ca().der()}, {"example.net", Ca().der()}};
  const auto context = take(material);
  REQUIRE(context);
  CHECK(context->federated.size() == 1);
  REQUIRE(context->findings.size() == 1);
  CHECK(context->findings[0].federated_bundle);
  CHECK(context->findings[0].subject == "Example\\n");
}

TEST_CASE("a message replaces the full state: bundles that it lacks are gone") {
  auto material = test::material(ca(), kId);
  material.federated_bundles["example.net"] = Ca().der();
  const auto before = take(material);
  material.federated_bundles.clear();
  const auto after = take(material, {}, &*before);
  REQUIRE(after);
  CHECK(after->federated.empty());
}

TEST_CASE("a message without SVIDs is discarded") {
  CHECK(message_refusal({}) == "the message holds no SVID");
}

TEST_CASE("an empty mandatory field in any SVID discards the message and is named") {
  const auto with = [](auto&& clear) {
    auto material = several();
    clear(material.svids[1]);
    return message_refusal(material);
  };
  CHECK(with([](auto& svid) { svid.spiffe_id.clear(); }) == "svids[1]: spiffe_id is empty");
  CHECK(with([](auto& svid) { svid.certificates.clear(); }) ==
        "svids[1] (spiffe://example.org/b): x509_svid is empty");
  CHECK(with([](auto& svid) { svid.key = {}; }) ==
        "svids[1] (spiffe://example.org/b): x509_svid_key is empty");
  CHECK(with([](auto& svid) { svid.bundle.clear(); }) ==
        "svids[1] (spiffe://example.org/b): bundle is empty");
  CHECK(with([](auto& svid) { svid.hint.clear(); }) == "accepted spiffe://example.org/a");
}

TEST_CASE("the first of SVIDs with the same hint counts") {
  auto material = several();
  material.svids[2].hint = "internal";
  const auto context = take(material, {.hint = "internal", .spiffe_id = {}});
  REQUIRE(context);
  CHECK(context->svid.id.path() == "/b");
  CHECK(context->svids_received == 3);
  CHECK(texts(*context) ==
        std::vector<std::string>{
            "spiffe://example.org/c: left out: an SVID before it has the same hint \"internal\""});
  CHECK(message_refusal(material, {.hint = {}, .spiffe_id = "spiffe://example.org/c"})
            .starts_with("no SVID has"));
}

TEST_CASE("empty hints are not compared") {
  auto material = several();
  for (auto& svid : material.svids) svid.hint.clear();
  const auto context = take(material);
  REQUIRE(context);
  CHECK(context->findings.empty());
}

TEST_CASE("the first SVID is the default unless hint or SPIFFE ID select one") {
  const auto material = several();
  const auto chosen = [&material](std::string hint, std::string id) {
    const auto context = take(material, {.hint = std::move(hint), .spiffe_id = std::move(id)});
    return context ? context->svid.id.path() + " of " + std::to_string(context->svids_received) : "none";
  };
  CHECK(chosen("", "") == "/a of 3");
  CHECK(chosen("external", "") == "/c of 3");
  CHECK(chosen("", "spiffe://example.org/b") == "/b of 3");
  CHECK(chosen("", "SPIFFE://example.org/b") == "/b of 3");
  CHECK(chosen("internal", "spiffe://example.org/b") == "/b of 3");
  CHECK(chosen("internal", "spiffe://example.org/c") == "none");
  CHECK(chosen("Internal", "") == "none");
}

TEST_CASE("an error for a selection without a match lists what the agent offers") {
  CHECK(message_refusal(several(), {.hint = "x\n", .spiffe_id = {}}) ==
        "no SVID has the hint \"x\\n\"; the agent offers spiffe://example.org/a (no hint), "
        "spiffe://example.org/b "
        "(hint \"internal\"), spiffe://example.org/c (hint \"external\")");
  CHECK(message_refusal(several(), {.hint = "internal", .spiffe_id = "spiffe://example.org/z"})
            .starts_with("no SVID has the hint \"internal\" and SPIFFE ID \"spiffe://example.org/z\"; "));
}

TEST_CASE("the list of what the agent offers has a bounded length") {
  X509Material material;
  for (int i = 0; i < 100; ++i) {
    material.svids.push_back({.spiffe_id = "spiffe://example.org/" + std::string(2000, 'a'),
                              .certificates = Bytes(1),
                              .key = spiffe::SecretBytes("k"),
                              .bundle = Bytes(1),
                              .hint = std::to_string(i) + std::string(5000, 'h')});
  }
  const std::string message = message_refusal(material, {.hint = "x", .spiffe_id = {}});
  CHECK(message.ends_with(" and 90 more"));
  CHECK(message.size() < 6000);
}

TEST_CASE("a federated bundle never replaces the one of our own trust domain") {
  const Ca other;
  for (const std::string name : {"example.org", "spiffe://example.org"}) {
    auto material = test::material(ca(), kId);
    material.federated_bundles[name] = other.der();
    const auto context = take(material);
    REQUIRE(context);
    CHECK(context->federated.empty());
    CHECK(context->bundle.authorities[0].der() == ca().der());
    CHECK(texts(*context) ==
          std::vector<std::string>{name + ": a federated bundle for our own trust domain is ignored"});
  }
}

TEST_CASE("the first of two federated bundles for one trust domain counts") {
  const Ca first;
  const Ca second;
  auto material = test::material(ca(), kId);
  material.federated_bundles = {{"example.net", first.der()}, {"spiffe://example.net", second.der()}};
  const auto context = take(material);
  REQUIRE(context);
  REQUIRE(context->federated.size() == 1);
  CHECK(context->federated.at(domain("example.net")).authorities[0].der() == first.der());
  CHECK(context->findings.size() == 1);
}

TEST_CASE("bundles of other trust domains stay apart, in the order of their names") {
  auto material = test::material(ca(), kId);
  for (const std::string name : {"spiffe://b.example", "c.example", "a.example"}) {
    material.federated_bundles[name] = Ca().der();
  }
  const auto context = take(material);
  REQUIRE(context);
  CHECK(context->bundle.authorities.size() == 1);
  std::vector<std::string> names;
  for (const auto& [name, bundle] : context->federated) {
    CHECK(name == bundle.trust_domain);
    names.push_back(name.name());
  }
  CHECK(names == std::vector<std::string>{"a.example", "b.example", "c.example"});
}

TEST_CASE("a chain signed by an authority of a federated domain does not verify") {
  const Ca other(test::authority_options("Other CA"));
  auto material = test::material(other, kId);
  material.svids[0].bundle = ca().der();
  material.federated_bundles["example.net"] = other.der();
  CHECK(message_refusal(material) ==
        "spiffe://example.org/web: no authority of \"example.org\" issued it: the chain ends at issuer "
        "\"CN=Other "
        "CA\", the bundle holds 1 (\"CN=Test CA\")");
}

TEST_CASE("warnings about the selected SVID become findings") {
  X509Material material;
  material.svids.push_back(test::svid_material(ca(), {.uris = {kId}, .ext_key_usage = "serverAuth"}));
  const auto context = take(material);
  REQUIRE(context);
  CHECK(texts(*context) ==
        std::vector<std::string>{
            "spiffe://example.org/web: the leaf's extended key usage lacks clientAuth: TLS servers "
            "will refuse it"});
}

TEST_CASE("RSA keys of fewer than 2048 bits are findings, in every certificate") {
  const auto with_key = [](test::CertificateOptions options, test::KeyType type) {
    options.key_type = type;
    return options;
  };
  using enum test::KeyType;
  const auto all_of = [&with_key](test::KeyType type) {
    const Ca root(with_key(test::authority_options("Root"), type));
    const Ca middle = root.intermediate(with_key(test::authority_options("Middle"), type));
    X509Material material;
    material.svids.push_back(test::svid_material(middle, with_key({.uris = {kId}}, type)));
    const Ca other(with_key(test::authority_options("Other"), type));
    material.federated_bundles["example.net"] = test::concat({other.der(), ca().der()});
    const auto context = take(material);
    REQUIRE(context);
    return texts(*context);
  };
  constexpr const char* kWeak = " has an RSA key of 1024 bits: many programs refuse one of fewer than 2048";
  const auto weak = [](const std::string& who) { return who + kWeak; };
  CHECK(all_of(rsa_1024) == std::vector{weak("spiffe://example.org/web: the leaf certificate"),
                                        weak("spiffe://example.org/web: intermediate certificate 1"),
                                        weak("example.org: authority \"CN=Root\""),
                                        weak("example.net: authority \"CN=Other\"")});
  CHECK(all_of(rsa_2048).empty());
  CHECK(all_of(ec_p256).empty());
}

TEST_CASE("a message that is only too early states when it is valid") {
  const auto begin = std::chrono::floor<std::chrono::seconds>(wall_now()) + 20s;
  X509Material material;
  material.svids.push_back(test::svid_material(ca(), {.uris = {kId}, .not_before = begin}));
  const auto early = X509Context::from(material, {}, nullptr, begin - 20s, true);
  REQUIRE_FALSE(early);
  CHECK(early.error().error.message ==
        "spiffe://example.org/web: leaf certificate not yet valid: not before " + spiffe::rfc3339(begin));
  CHECK(early.error().error.hint.starts_with("it is 20s too early"));
  CHECK(early.error().spiffe_id == kId);
  REQUIRE(early.error().valid_from);
  CHECK(X509Context::from(material, {}, nullptr, *early.error().valid_from, true));
}

TEST_CASE("verify = false skips the chain and nothing else") {
  auto material = test::material(ca(), kId);
  material.svids[0].bundle = Ca(test::authority_options("Other CA")).der();
  CHECK_FALSE(take(material));
  CHECK(take(material, {}, nullptr, false));
  material.svids[0].key = test::Key::generate().pkcs8();
  CHECK_FALSE(take(material, {}, nullptr, false));
}

TEST_CASE("unchanged parts of the previous state are shared") {
  const Ca middle = Ca().intermediate();
  const Bytes federated = Ca().der();
  const auto message = [&] {
    auto material = test::material(middle, kId);
    material.federated_bundles["example.net"] = federated;
    return material;
  };
  const auto before = take(message());
  REQUIRE(before);
  const auto after = take(message(), {}, &*before);
  REQUIRE(after);
  CHECK(after->svid.leaf() != before->svid.leaf());
  CHECK(&after->svid.chain[1].der() == &before->svid.chain[1].der());
  CHECK(&after->bundle.authorities[0].der() == &before->bundle.authorities[0].der());
  CHECK(&after->federated.begin()->second.authorities[0].der() ==
        &before->federated.begin()->second.authorities[0].der());
}

TEST_CASE("a bundle that grew, shrank or was reordered is not mistaken for the previous one") {
  const Bytes a = Ca().der();
  const Bytes b = Ca().der();
  auto material = test::material(ca(), kId);
  material.federated_bundles["example.net"] = test::concat({a, b});
  const auto before = take(material);
  REQUIRE(before);
  for (const Bytes& next : {a, b, test::concat({b, a}), test::concat({a, b, a}), Ca().der()}) {
    material.federated_bundles["example.net"] = next;
    const auto after = take(material, {}, &*before);
    REQUIRE(after);
    Bytes joined;
    for (const auto& one : after->federated.begin()->second.authorities)
      joined = test::concat({joined, one.der()});
    CHECK(joined == next);
  }
}

TEST_CASE("a state ends with the first certificate of its chain to expire") {
  const auto now = std::chrono::floor<std::chrono::seconds>(wall_now());
  auto authority = test::authority_options();
  authority.not_after = now + 2h;
  const Ca middle = Ca().intermediate(authority);
  X509Material material;
  material.svids.push_back(test::svid_material(middle, {.uris = {kId}, .not_after = now + 3h}));
  const auto context = take(material);
  REQUIRE(context);
  CHECK(context->not_after() == now + 2h);
}

TEST_CASE("an intermediate that expired before the leaf was valid does not end the state") {
  const auto now = std::chrono::floor<std::chrono::seconds>(wall_now());
  X509Material material;
  material.svids.push_back(test::svid_material(ca(), {.uris = {kId}, .not_after = now + 3h}));
  auto authority = test::authority_options();
  authority.not_after = now - 1h;
  Bytes& chain = material.svids[0].certificates;
  chain = test::concat({chain, ca().intermediate(authority).der()});
  const auto context = take(material);
  REQUIRE(context);
  CHECK(context->not_after() == now + 3h);
}

TEST_CASE("nothing of a key appears in a message") {
  auto material = test::material(ca(), kId);
  material.svids[0].key = spiffe::SecretBytes("-----BEGIN PRIVATE KEY----- c2VjcmV0");
  CHECK(message_refusal(material).find("c2VjcmV0") == std::string::npos);
}
