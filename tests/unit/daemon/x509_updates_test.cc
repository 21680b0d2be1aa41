#include "daemon/x509_updates.hh"

#include "support/catch.hh"
#include "support/pki.hh"
#include "unit/daemon/judged_update.hh"

using namespace std::chrono_literals;
using spiffe::Loop;
using spiffe::daemon::X509Updates;
using spiffe::daemon::test::judged;
using spiffe::workload::X509Rules;
using spiffe::workload::X509Update;
namespace test = spiffe::test;

namespace {

struct UpdatesFixture {
  std::unique_ptr<Loop> loop = std::move(*Loop::create());
  int accepted = 0;
  spiffe::health::Status status;
  X509Updates updates{*loop, {}, spiffe::log::Level::info, status, [this] { ++accepted; }};
};

std::string id_of(const X509Updates& updates) {
  return updates.current() == nullptr ? "" : updates.current()->svid.id.str();
}

}  // namespace

TEST_CASE("an accepted message becomes current") {
  const test::Ca ca;
  UpdatesFixture fixture;
  CHECK(fixture.updates.current() == nullptr);
  fixture.updates.receive(*judged(test::material(ca, "spiffe://example.org/a")));
  CHECK(fixture.accepted == 1);
  CHECK(id_of(fixture.updates) == "spiffe://example.org/a");
}

TEST_CASE("a refused message changes nothing, and the next valid one is accepted") {
  const test::Ca ca;
  UpdatesFixture fixture;
  fixture.updates.receive(*judged(test::material(ca, "spiffe://example.org/a")));
  auto spoiled = test::material(ca, "spiffe://example.org/b");
  spoiled.svids[0].spiffe_id = "spiffe://example.org/other";
  fixture.updates.receive(*judged(std::move(spoiled)));
  CHECK(fixture.accepted == 1);
  CHECK(id_of(fixture.updates) == "spiffe://example.org/a");
  fixture.updates.receive(*judged(test::material(ca, "spiffe://example.org/c")));
  CHECK(fixture.accepted == 2);
  CHECK(id_of(fixture.updates) == "spiffe://example.org/c");
}

TEST_CASE("a message that is not valid yet is accepted later without a new message") {
  const test::Ca ca;
  UpdatesFixture fixture;
  // Certificates have whole seconds: this one is valid from the next second on.
  const auto next = std::chrono::ceil<std::chrono::seconds>(spiffe::wall_now() + 10ms);
  spiffe::identity::X509Material early;
  early.svids.push_back(test::svid_material(
      ca, test::CertificateOptions{.uris = {"spiffe://example.org/early"}, .not_before = next}));
  X509Updates updates(*fixture.loop, {}, spiffe::log::Level::info, fixture.status,
                      [&] { fixture.loop->stop(); });
  updates.receive(*judged(std::move(early)));
  CHECK(updates.current() == nullptr);
  fixture.loop->run();
  CHECK(id_of(updates) == "spiffe://example.org/early");
}

TEST_CASE("a further SVID that is not valid yet is added at its NotBefore") {
  const test::Ca ca;
  UpdatesFixture fixture;
  const auto next = std::chrono::ceil<std::chrono::seconds>(spiffe::wall_now() + 500ms);
  auto material = test::material(ca, "spiffe://example.org/now");
  material.svids.push_back(test::svid_material(
      ca, test::CertificateOptions{.uris = {"spiffe://example.org/early"}, .not_before = next}));
  X509Rules rules;
  rules.every_svid = true;
  int accepted = 0;
  X509Updates updates(*fixture.loop, rules, spiffe::log::Level::info, fixture.status, [&] {
    if (++accepted == 2) fixture.loop->stop();
  });
  X509Update first(std::make_shared<spiffe::identity::X509Material>(std::move(material)), rules, nullptr);
  first.judge(spiffe::wall_now());
  REQUIRE(first.context()->further.empty());
  updates.receive(first);
  CHECK(id_of(updates) == "spiffe://example.org/now");
  fixture.loop->run();
  REQUIRE(updates.current()->further.size() == 1);
  CHECK(updates.current()->further[0].svid.id.str() == "spiffe://example.org/early");
}

TEST_CASE("a newer message replaces one that is not valid yet") {
  const test::Ca ca;
  UpdatesFixture fixture;
  const auto later = spiffe::wall_now() + 1h;
  spiffe::identity::X509Material early;
  early.svids.push_back(test::svid_material(
      ca, test::CertificateOptions{
              .uris = {"spiffe://example.org/early"}, .not_before = later, .not_after = later + 1h}));
  fixture.updates.receive(*judged(std::move(early)));
  CHECK(fixture.accepted == 0);
  fixture.updates.receive(*judged(test::material(ca, "spiffe://example.org/now")));
  CHECK(fixture.accepted == 1);
  CHECK(id_of(fixture.updates) == "spiffe://example.org/now");
}

TEST_CASE("another selection discards the identity, other rules do not") {
  const test::Ca ca;
  UpdatesFixture fixture;
  fixture.updates.receive(*judged(test::material(ca, "spiffe://example.org/a")));
  X509Rules rules;
  rules.verify_chain = false;
  fixture.updates.set_rules(rules);
  CHECK(id_of(fixture.updates) == "spiffe://example.org/a");
  // The current identity was read without further SVIDs.
  rules.every_svid = true;
  fixture.updates.set_rules(rules);
  CHECK(fixture.updates.current() == nullptr);
  fixture.updates.receive(*judged(test::material(ca, "spiffe://example.org/a")));
  rules.selection.hint = "internal";
  fixture.updates.set_rules(rules);
  CHECK(fixture.updates.current() == nullptr);
}
