#include "cli/agent/identity_text.hh"

#include "cli/text/lifetime.hh"
#include "views.hh"

using namespace spiffe;
using namespace spiffe::cli;
using namespace std::chrono_literals;

TEST_CASE("an SVID is shown with its time, chain and bundle, and never its key") {
  const test::Ca root(test::authority("Root"));
  const test::Ca middle = root.intermediate(test::authority("Middle"));
  const auto material = message(root, svid(middle, kWeb, "internal"));
  const X509View view = seen(material);
  REQUIRE(view.svids.size() == 1);
  CHECK(view.svids[0].problem.empty());
  const std::string text = text_of(view, test::kNow, {});
  CHECK(text.starts_with("spiffe://example.org/web\n  hint     internal\n  valid    "));
  CHECK(contains(text, " left\n  serial   " + view.svids[0].chain[0].serial()));
  CHECK(contains(text, "\n  SHA-256  " + view.svids[0].chain[0].sha256() + "\n"));
  CHECK(contains(text, "\n  chain    CN=Middle, "));
  CHECK(contains(text, "\n  bundle   CN=Root, "));
  CHECK(contains(text, "\n  good     "));
  check_width(text);
  const std::string found = json_text(json_of(view, test::kNow));
  for (const auto& each : {text, found}) CHECK_FALSE(contains(each, "PRIVATE"));
  const auto out = json_of(view, test::kNow);
  CHECK(out["svids"][0]["good"] == true);
  CHECK(out["svids"][0]["chain"].size() == 2);
  CHECK(out["bundles"][0]["own"] == true);
}

TEST_CASE("an SVID that does not verify is shown with the reason") {
  const test::Ca ca(test::authority());
  const test::Ca other(test::authority("Other"));
  auto one = svid(ca);
  one.bundle = other.der();
  identity::X509Material material;
  material.svids.push_back(std::move(one));
  const X509View view = seen(material);
  CHECK_FALSE(view.svids[0].problem.empty());
  CHECK(first_problem(view) == kWeb + ": " + view.svids[0].problem);
  const std::string text = text_of(view, test::kNow, {});
  CHECK(contains(text, "\n  bad      "));
  CHECK(contains(text, "\n  valid    "));
  CHECK(json_of(view, test::kNow)["svids"][0]["problem"] == view.svids[0].problem);
}

TEST_CASE("an SVID that breaks a rule is shown as far as it can be parsed") {
  const test::Ca ca(test::authority());
  auto options = test::leaf();
  options.uris.push_back("spiffe://example.org/two");
  auto two = test::svid_material(ca, options);
  two.spiffe_id = kWeb;
  const X509View view = seen(message(ca, std::move(two)));
  CHECK(view.svids[0].chain.size() == 1);
  CHECK(contains(view.svids[0].problem, "2 URI SANs"));
}

TEST_CASE("text from outside is escaped everywhere") {
  const test::Ca ca(test::authority());
  auto one = svid(ca, kWeb, "h\x1b[31m");
  one.spiffe_id = "x\x1b]0;";
  auto material = message(ca, std::move(one));
  material.federated_bundles["f\x1b[2J"] = ca.der();
  const std::string text = text_of(seen(material), test::kNow, {});
  CHECK_FALSE(contains(text, "\x1b"));
  CHECK(contains(text, "h\\x1b[31m"));
}

TEST_CASE("a message without SVIDs, or with a bundle that cannot be parsed, is a problem") {
  CHECK_FALSE(first_problem({}).empty());
  const test::Ca ca(test::authority());
  auto material = message(ca, svid(ca));
  CHECK(first_problem(seen(material)).empty());
  material.federated_bundles["spiffe://partner.example"] = test::bytes("x");
  CHECK(first_problem(seen(material)).starts_with("partner.example: "));
  CHECK(contains(text_of(seen(material), test::kNow, {}), "partner.example  cannot be read: "));
}

TEST_CASE("a federated bundle does not replace that of our own trust domain") {
  const test::Ca ca(test::authority());
  const test::Ca evil(test::authority("Evil"));
  auto material = message(ca, svid(ca));
  material.federated_bundles["example.org"] = evil.der();
  const X509View view = seen(material);
  REQUIRE(view.bundles.size() == 1);
  CHECK(view.bundles.at("example.org").own);
  CHECK(view.bundles.at("example.org").authorities[0].der() == ca.der());
}

TEST_CASE("of very many federated domains the text lists some, JSON all") {
  const test::Ca ca(test::authority());
  auto material = message(ca, svid(ca));
  for (int i = 0; i < 100; ++i) material.federated_bundles["d" + std::to_string(i) + ".example"] = ca.der();
  const X509View view = seen(material);
  const std::string text = text_of(view, test::kNow, {});
  CHECK(contains(text, "federated with 100 domains\n"));
  CHECK(contains(text, "and 88 more\n"));
  CHECK(json_of(view, test::kNow)["bundles"].size() == 101);
}

TEST_CASE("remaining time is in whole seconds, rounded up") {
  const WallTime now = test::kNow;
  CHECK(time_left(now - 1h, now + 59s + 1ms, now) == "1m left");
  CHECK(time_left(now - 1h, now, now) == "expired 1s ago");
  CHECK(time_left(now - 1h, now - 3min, now) == "expired 3m ago");
  CHECK(time_left(now + 20s, now + 1h, now) == "not valid for another 20s");
  CHECK(seconds_left(now - 1ms, now) == -1);
}

TEST_CASE("colour marks the verdict and is not written to pipes") {
  const test::Ca ca(test::authority());
  const X509View view = seen(message(ca, svid(ca)));
  CHECK_FALSE(contains(text_of(view, test::kNow, {}), "\x1b"));
  const std::string text = text_of(view, test::kNow, {.live = true, .colour = true});
  CHECK(contains(text, "\x1b[32m  good     "));
  CHECK(text.ends_with("\x1b[0m\n"));
}
