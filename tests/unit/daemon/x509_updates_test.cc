#include "daemon/x509_updates.hh"

#include <thread>

#include "support/catch.hh"
#include "support/pki.hh"

using namespace std::chrono_literals;
using spiffe::Loop;
using spiffe::daemon::X509Updates;
using spiffe::workload::X509Rules;
using spiffe::workload::X509Update;
namespace test = spiffe::test;

namespace {

// What the source hands over.
std::shared_ptr<X509Update> update(spiffe::identity::X509Material material) {
  auto made = std::make_shared<X509Update>(std::move(material), X509Rules{}, nullptr);
  made->judge(spiffe::wall_now());
  return made;
}

struct Bench {
  std::unique_ptr<Loop> loop = std::move(*Loop::create());
  int accepted = 0;
  spiffe::health::Status status;
  X509Updates updates{*loop, {}, spiffe::log::Level::info, status, [this] {
                        if (updates.settle()) ++accepted;
                      }};
};

std::string id_of(const X509Updates& updates) {
  return updates.current() == nullptr ? "" : updates.current()->svid.id.str();
}

}  // namespace

TEST_CASE("a good message becomes current") {
  const test::Ca ca;
  Bench bench;
  CHECK(bench.updates.current() == nullptr);
  bench.updates.receive(update(test::material(ca, "spiffe://example.org/a")));
  CHECK(bench.accepted == 1);
  CHECK(id_of(bench.updates) == "spiffe://example.org/a");
}

TEST_CASE("rule 10: a refused message changes nothing, and the next good one is taken") {
  const test::Ca ca;
  Bench bench;
  bench.updates.receive(update(test::material(ca, "spiffe://example.org/a")));
  auto spoiled = test::material(ca, "spiffe://example.org/b");
  spoiled.svids[0].spiffe_id = "spiffe://example.org/other";
  bench.updates.receive(update(std::move(spoiled)));
  CHECK(bench.accepted == 1);
  CHECK(id_of(bench.updates) == "spiffe://example.org/a");
  bench.updates.receive(update(test::material(ca, "spiffe://example.org/c")));
  CHECK(bench.accepted == 2);
  CHECK(id_of(bench.updates) == "spiffe://example.org/c");
}

TEST_CASE("rule 22: a message that is only early is accepted by itself once its time has come") {
  const test::Ca ca;
  Bench bench;
  // Certificates count in whole seconds: this one is valid from the next second on.
  const auto next = std::chrono::ceil<std::chrono::seconds>(spiffe::wall_now() + 10ms);
  spiffe::identity::X509Material early;
  early.svids.push_back(test::svid_material(
      ca, test::CertificateOptions{.uris = {"spiffe://example.org/early"}, .not_before = next}));
  X509Updates updates(*bench.loop, {}, spiffe::log::Level::info, bench.status, [&] {
    if (updates.settle()) bench.loop->stop();
  });
  updates.receive(update(std::move(early)));
  CHECK(updates.current() == nullptr);
  bench.loop->run();
  CHECK(id_of(updates) == "spiffe://example.org/early");
}

TEST_CASE("rule 22: a newer message replaces one that waits for its time") {
  const test::Ca ca;
  Bench bench;
  const auto later = spiffe::wall_now() + 1h;
  spiffe::identity::X509Material early;
  early.svids.push_back(test::svid_material(
      ca, test::CertificateOptions{
              .uris = {"spiffe://example.org/early"}, .not_before = later, .not_after = later + 1h}));
  bench.updates.receive(update(std::move(early)));
  CHECK(bench.accepted == 0);
  bench.updates.receive(update(test::material(ca, "spiffe://example.org/now")));
  CHECK(bench.accepted == 1);
  CHECK(id_of(bench.updates) == "spiffe://example.org/now");
}

TEST_CASE("another selection forgets what the one before gave, other rules do not") {
  const test::Ca ca;
  Bench bench;
  bench.updates.receive(update(test::material(ca, "spiffe://example.org/a")));
  X509Rules rules;
  rules.verify_chain = false;
  bench.updates.set_rules(rules);
  CHECK(id_of(bench.updates) == "spiffe://example.org/a");
  rules.selection.hint = "internal";
  bench.updates.set_rules(rules);
  CHECK(bench.updates.current() == nullptr);
  CHECK(bench.updates.newest() == nullptr);
}

TEST_CASE("a message is a candidate until it is settled, and one that is refused leaves no trace") {
  const test::Ca ca;
  const auto loop = std::move(*Loop::create());
  int candidates = 0;
  spiffe::health::Status status;
  X509Updates updates(*loop, {}, spiffe::log::Level::info, status, [&] { ++candidates; });
  updates.receive(update(test::material(ca, "spiffe://example.org/a")));
  CHECK(candidates == 1);
  CHECK(updates.current() == nullptr);
  CHECK(updates.newest()->svid.id.str() == "spiffe://example.org/a");
  CHECK(updates.settle());
  CHECK(id_of(updates) == "spiffe://example.org/a");
  auto stolen = test::material(ca, "spiffe://example.org/b");
  stolen.svids[0].key = test::Key::generate().pkcs8();
  updates.receive(update(std::move(stolen)));
  CHECK(candidates == 2);
  CHECK(updates.newest()->svid.id.str() == "spiffe://example.org/b");
  CHECK_FALSE(updates.settle());
  CHECK(updates.newest()->svid.id.str() == "spiffe://example.org/a");
  CHECK(updates.settle());
}

TEST_CASE("the verdict is awaited where another thread is still judging") {
  const test::Ca ca;
  Bench bench;
  const auto made =
      std::make_shared<X509Update>(test::material(ca, "spiffe://example.org/a"), X509Rules{}, nullptr);
  std::thread judge([made] { made->judge(spiffe::wall_now()); });
  bench.updates.receive(made);
  judge.join();
  CHECK(bench.accepted == 1);
}
