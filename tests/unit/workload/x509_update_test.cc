#include "workload/x509_update.hh"

#include "support/catch.hh"
#include "support/pki.hh"

using spiffe::identity::X509Context;
using spiffe::identity::X509Material;
using spiffe::workload::X509Rules;
using spiffe::workload::X509Update;
namespace test = spiffe::test;

namespace {

X509Rules of_id(std::string id) {
  return {.selection = {.hint = {}, .spiffe_id = std::move(id)}};
}

std::shared_ptr<X509Material> offer(const test::Ca& ca, std::initializer_list<const char*> ids) {
  auto out = std::make_shared<X509Material>();
  for (const char* id : ids)
    out->svids.push_back(test::svid_material(ca, test::CertificateOptions{.uris = {id}}));
  return out;
}

std::vector<std::shared_ptr<X509Update>> judged(const X509Update::Material& material,
                                                const std::vector<X509Rules>& rules) {
  auto updates =
      X509Update::read(material, rules, std::vector<std::shared_ptr<const X509Context>>(rules.size()));
  for (const auto& update : updates) update->judge(spiffe::wall_now());
  return updates;
}

}  // namespace

TEST_CASE("each of the rules gets its own SVID of one message") {
  const test::Ca ca;
  const auto updates = judged(offer(ca, {"spiffe://example.org/a", "spiffe://example.org/b"}),
                              {of_id("spiffe://example.org/b"), of_id("spiffe://example.org/*")});
  REQUIRE(updates.size() == 2);
  CHECK(updates[0]->context()->svid.id.str() == "spiffe://example.org/b");
  CHECK(updates[1]->context()->svid.id.str() == "spiffe://example.org/a");
  CHECK(updates[1]->context()->matching == 2);
  for (const auto& update : updates) CHECK_FALSE(update->verdict().refusal.has_value());
}

TEST_CASE("a selection that is not offered does not affect the others") {
  const test::Ca ca;
  const auto updates = judged(offer(ca, {"spiffe://example.org/a"}),
                              {of_id("spiffe://example.org/other"), of_id("spiffe://example.org/a")});
  CHECK(updates[0]->context() == nullptr);
  CHECK(updates[0]->verdict().refusal->not_offered);
  CHECK_FALSE(updates[1]->verdict().refusal.has_value());
}

TEST_CASE("a refused selection does not affect the others, and is not one of their findings") {
  const test::Ca ca;
  const auto material = offer(ca, {"spiffe://example.org/a", "spiffe://example.org/b"});
  material->svids[1].key = spiffe::SecretBytes(std::string_view("no key"));
  const auto updates = judged(material, {of_id("spiffe://example.org/a"), of_id("spiffe://example.org/b")});
  CHECK_FALSE(updates[0]->verdict().refusal.has_value());
  CHECK(updates[0]->verdict().findings.empty());
  CHECK(updates[1]->verdict().refusal.has_value());
}

TEST_CASE("an SVID that no rule selects is checked once") {
  const test::Ca ca;
  const auto material =
      offer(ca, {"spiffe://example.org/a", "spiffe://example.org/b", "spiffe://example.org/c"});
  material->svids[2].key = spiffe::SecretBytes(std::string_view("no key"));
  const auto updates = judged(material, {of_id("spiffe://example.org/a"), of_id("spiffe://example.org/b")});
  REQUIRE(updates[0]->verdict().findings.size() == 1);
  CHECK(updates[0]->verdict().findings[0].subject == "spiffe://example.org/c");
  CHECK(updates[1]->verdict().findings.empty());
}

TEST_CASE("federated bundles are parsed once, shared, and reported once") {
  const test::Ca ca;
  const auto material = offer(ca, {"spiffe://example.org/a", "spiffe://example.org/b"});
  material->federated_bundles["one.example"] = material->svids[0].bundle;
  material->federated_bundles["two.example"] = {std::byte{1}};
  const auto updates = judged(material, {of_id("spiffe://example.org/a"), of_id("spiffe://example.org/b")});
  const auto& one = updates[0]->context()->federated.begin()->second.authorities[0];
  const auto& other = updates[1]->context()->federated.begin()->second.authorities[0];
  CHECK(&one.der() == &other.der());
  CHECK(updates[0]->context()->findings.size() == 1);
  CHECK(updates[1]->context()->findings.empty());
}

TEST_CASE("a prefix begins at the scheme, and is compared like IDs") {
  const test::Ca ca;
  const auto material = offer(ca, {"spiffe://example.org/db/blue", "spiffe://example.org/web"});
  const auto taken = [&](const char* prefix) {
    const auto update = judged(material, {of_id(prefix)}).front();
    return update->context() == nullptr ? std::string() : update->context()->svid.id.str();
  };
  CHECK(taken("spiffe://example.org/db/*") == "spiffe://example.org/db/blue");
  CHECK(taken("SPIFFE://example.org/db/*") == "spiffe://example.org/db/blue");
  CHECK(taken("spiffe://example.org/we*") == "spiffe://example.org/web");
  CHECK(taken("spiffe://example.org/d/*").empty());
  CHECK(taken("spiffe://example.or/*").empty());
}

TEST_CASE("further SVIDs are read for rules that request them, and checked once") {
  const test::Ca ca;
  const auto material =
      offer(ca, {"spiffe://example.org/a", "spiffe://example.org/b", "spiffe://example.org/c"});
  material->svids[1].key = spiffe::SecretBytes(std::string_view("no key"));
  X509Rules every = of_id("spiffe://example.org/*");
  every.every_svid = true;
  for (const auto& rules : {std::vector{every, of_id("spiffe://example.org/c")},
                            std::vector{of_id("spiffe://example.org/c"), every}}) {
    const auto updates = judged(material, rules);
    std::size_t findings = 0;
    for (const auto& update : updates) {
      CHECK_FALSE(update->verdict().refusal.has_value());
      const bool asked = update->context()->svid.id.str() == "spiffe://example.org/a";
      CHECK(update->context()->further.size() == (asked ? 1 : 0));
      findings += update->context()->findings.size() + update->verdict().findings.size();
    }
    CHECK(findings == 1);
  }
}
