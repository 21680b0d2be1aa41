// X509Context::add_further(): the SVIDs of a message other than the selected one.
#include "identity/x509_context.hh"
#include "support/catch.hh"
#include "support/pki.hh"

namespace spiffe::identity {

namespace {

using namespace std::chrono_literals;
namespace pki = spiffe::test;

X509Material offer(const pki::Ca& ca, std::initializer_list<const char*> ids) {
  X509Material out;
  for (const char* id : ids) out.svids.push_back(pki::svid_material(ca, id));
  return out;
}

struct Read {
  X509Context context;
  std::vector<std::size_t> examined;
};

Read read(const X509Material& material, const X509Selection& selection = {}, bool verify = true) {
  auto context = X509Context::read(material, selection, nullptr);
  REQUIRE(context);
  Read out{std::move(*context), {}};
  out.examined = out.context.add_further(material, selection, wall_now(), verify);
  return out;
}

std::vector<std::string> ids(const X509Context& context) {
  std::vector<std::string> out;
  for (const FurtherSvid& each : context.further)
    out.push_back(std::to_string(each.number) + " " + each.svid.id.str());
  return out;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("without a selection, every SVID but the first one is taken") {
  const pki::Ca ca;
  const Read found = read(offer(ca, {"spiffe://a.test/1", "spiffe://a.test/2", "spiffe://a.test/3"}));
  CHECK(ids(found.context) == Ids{"1 spiffe://a.test/2", "2 spiffe://a.test/3"});
  CHECK(found.examined == std::vector<std::size_t>{1, 2});
  CHECK(found.context.findings.empty());
}

TEST_CASE("a selection chooses further SVIDs as well") {
  const pki::Ca ca;
  auto material = offer(ca, {"spiffe://a.test/x", "spiffe://a.test/db/1", "spiffe://a.test/db/2"});
  material.svids[2].hint = "db";
  CHECK(ids(read(material, {.hint = {}, .spiffe_id = "spiffe://a.test/db/*"}).context) ==
        Ids{"1 spiffe://a.test/db/2"});
  CHECK(ids(read(material, {.hint = {}, .spiffe_id = "spiffe://a.test/x"}).context).empty());
  CHECK(ids(read(material, {.hint = "db", .spiffe_id = {}}).context).empty());
}

TEST_CASE("a further SVID that breaks a rule is left out with a finding, and the message is not refused") {
  const pki::Ca ca;
  const pki::Ca unknown;
  auto material =
      offer(ca, {"spiffe://a.test/1", "spiffe://a.test/2", "spiffe://a.test/3", "spiffe://a.test/4"});
  material.svids[1].key = pki::Key::generate().pkcs8();
  material.svids[2].bundle = unknown.der();
  const Read found = read(material);
  CHECK(ids(found.context) == Ids{"3 spiffe://a.test/4"});
  REQUIRE(found.context.findings.size() == 2);
  CHECK(found.context.findings[0].subject == "spiffe://a.test/2");
  CHECK(found.context.findings[0].message.starts_with("left out of credential_folder: "));
  CHECK(found.context.findings[1].subject == "spiffe://a.test/3");
  CHECK_FALSE(found.context.verify(material, wall_now(), true, {.examined = true, .selected = {}}).refusal);
  // verify = false skips only the check of the chain.
  CHECK(ids(read(material, {}, false).context) == Ids{"2 spiffe://a.test/3", "3 spiffe://a.test/4"});
}

TEST_CASE("a further SVID that is only too early is awaited") {
  const pki::Ca ca;
  auto material = offer(ca, {"spiffe://a.test/1"});
  const WallTime soon = std::chrono::floor<std::chrono::seconds>(wall_now()) + 1h;
  material.svids.push_back(
      pki::svid_material(ca, {.uris = {"spiffe://a.test/2"}, .not_before = soon, .not_after = soon + 1h}));
  const Read found = read(material);
  CHECK(found.context.further.empty());
  CHECK(found.context.further_from == soon);
}

TEST_CASE("of SVIDs with the same hint the first is taken, and of very many only some") {
  const pki::Ca ca;
  auto material = offer(ca, {"spiffe://a.test/1", "spiffe://a.test/2"});
  material.svids[0].hint = material.svids[1].hint = "same";
  CHECK(read(material).context.further.empty());
  const auto one = pki::svid_material(ca, "spiffe://a.test/many");
  for (int i = 0; i < 150; ++i) {
    material.svids.push_back({.spiffe_id = one.spiffe_id,
                              .certificates = one.certificates,
                              .key = one.key.clone(),
                              .bundle = one.bundle,
                              .hint = {}});
  }
  const Read found = read(material);
  CHECK(found.context.further.size() == 99);
  CHECK(found.context.findings.back().message == "only 100 of 151 SVIDs are taken for credential_folder");
}

}  // namespace spiffe::identity
