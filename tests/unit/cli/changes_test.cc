#include "cli/agent/changes.hh"

#include "views.hh"

using namespace spiffe;
using namespace spiffe::cli;

namespace {

std::string words(const X509View& before, const X509View& after) {
  const std::string text = text_of(compare(before, after), test::kNow, {});
  check_width(text);
  return text;
}

}  // namespace

TEST_CASE("the first update adds everything") {
  const test::Ca ca(test::authority());
  auto material = message(ca, svid(ca, kWeb, "internal"));
  material.federated_bundles["spiffe://partner.example"] = ca.der();
  const X509View view = seen(material);
  const std::string text = words({}, view);
  CHECK(contains(text, "  + spiffe://example.org/web\n    hint     internal\n    serial   "));
  CHECK(contains(text, "  + bundle of example.org\n    authority  CN=Test CA, "));
  CHECK(contains(text, "  + federated bundle of partner.example\n"));
  CHECK_FALSE(contains(text, "new serial"));
}

TEST_CASE("the same message again changes nothing") {
  const test::Ca ca(test::authority());
  const auto material = message(ca, svid(ca));
  CHECK(compare(seen(material), seen(material)).none());
}

TEST_CASE("a rotation is reported as a new serial only") {
  const test::Ca ca(test::authority());
  const X509View before = seen(message(ca, svid(ca)));
  const X509View after = seen(message(ca, svid(ca)));
  const std::string text = words(before, after);
  CHECK(text.starts_with("  ~ spiffe://example.org/web\n    new serial  " + after.svids[0].chain[0].serial() +
                         "\n    SHA-256     " + after.svids[0].chain[0].sha256() + "\n    valid       "));
  CHECK_FALSE(contains(text, "bundle"));
  CHECK_FALSE(contains(text, "chain"));
  const Json found = json_of(compare(before, after), test::kNow);
  CHECK(found["svids"][0]["what"] == Json::array({"certificate"}));
  CHECK(found["svids"][0]["previous"]["chain"][0]["serial"] == before.svids[0].chain[0].serial());
  CHECK(found["bundles"].empty());
}

TEST_CASE("SVIDs are distinguished by ID and hint, in any order") {
  const test::Ca ca(test::authority());
  auto a = svid(ca, kWeb, "a");
  auto b = svid(ca, kWeb, "b");
  auto db = svid(ca, "spiffe://example.org/db");
  auto a2 = svid(ca, kWeb, "a");
  identity::X509SvidMaterial same_b{b.spiffe_id, b.certificates, b.key.clone(), b.bundle, b.hint};
  const X509View before = seen(message(ca, {&a, &b}));
  const X509View after = seen(message(ca, {&same_b, &db, &a2}));
  const Changes changes = compare(before, after);
  REQUIRE(changes.svids.size() == 2);
  CHECK(changes.svids[0].renewed());
  CHECK(changes.svids[0].after->hint == "a");
  CHECK(changes.svids[1].before == nullptr);
  CHECK(changes.svids[1].after->id == "spiffe://example.org/db");
  CHECK(contains(words(after, before), "  - spiffe://example.org/db\n"));
}

TEST_CASE("another hint is a change, not another SVID") {
  const test::Ca ca(test::authority());
  auto one = svid(ca, kWeb, "old");
  identity::X509SvidMaterial same{one.spiffe_id, one.certificates, one.key.clone(), one.bundle, ""};
  const std::string text = words(seen(message(ca, {&one})), seen(message(ca, {&same})));
  CHECK(text == "  ~ spiffe://example.org/web\n    hint  none, was old\n");
}

TEST_CASE("added and removed authorities are named") {
  const test::Ca old_ca(test::authority("Old"));
  const test::Ca new_ca(test::authority("New"));
  auto material = message(old_ca, svid(old_ca));
  const X509View before = seen(material);
  material.svids[0].bundle = test::concat({old_ca.der(), new_ca.der()});
  const X509View both = seen(material);
  const std::string added = words(before, both);
  CHECK(contains(added, "  ~ bundle of example.org\n    added  CN=New, "));
  CHECK_FALSE(contains(added, "removed"));
  const std::string removed = words(both, before);
  CHECK(contains(removed, "    removed  CN=New, "));
}

TEST_CASE("added and removed federated domains are named") {
  const test::Ca ca(test::authority());
  auto material = message(ca, svid(ca));
  const X509View before = seen(material);
  material.federated_bundles["partner.example"] = ca.der();
  const X509View after = seen(material);
  CHECK(contains(words(before, after), "  + federated bundle of partner.example\n"));
  CHECK(words(after, before) == "  - federated bundle of partner.example\n");
}

TEST_CASE("of thousands of added domains some are named, and the rest is counted") {
  const test::Ca ca(test::authority());
  auto material = message(ca, svid(ca));
  const X509View before = seen(material);
  for (int i = 0; i < 1000; ++i) material.federated_bundles["d" + std::to_string(i) + ".example"] = ca.der();
  CHECK(contains(words(before, seen(material)), "    and of 994 more trust domains\n"));
}

TEST_CASE("an SVID that becomes invalid is shown with the reason, and later as valid again") {
  const test::Ca ca(test::authority());
  const test::Ca other(test::authority("Other"));
  auto material = message(ca, svid(ca));
  const X509View good = seen(material);
  material.svids[0].bundle = other.der();
  const X509View bad = seen(material);
  CHECK(contains(words(good, bad), "\n    bad  " + bad.svids[0].problem.substr(0, 20)));
  CHECK(contains(words(bad, good), "  ~ spiffe://example.org/web\n    good  again\n"));
}

TEST_CASE("a changed chain is reported") {
  const test::Ca root(test::authority("Root"));
  const test::Ca one = root.intermediate(test::authority("One"));
  const test::Ca two = root.intermediate(test::authority("Two"));
  const X509View before = seen(message(root, svid(one)));
  const X509View after = seen(message(root, svid(two)));
  CHECK(contains(words(before, after), "    new chain   CN=Two, "));
}
