#include "daemon/bundle_changes.hh"

#include <algorithm>
#include <map>
#include <string>

#include "base/text.hh"
#include "support/catch.hh"
#include "support/pki.hh"

using spiffe::daemon::BundleChanges;
using spiffe::identity::X509Context;
namespace identity = spiffe::identity;
namespace test = spiffe::test;

namespace {

using Line = std::map<std::string, std::string>;
using Federated = std::map<std::string, identity::Bytes>;

X509Context context(const test::Ca& ca, identity::Bytes bundle, const Federated& federated = {},
                    std::string_view id = "spiffe://example.org/web") {
  identity::X509Material material = test::material(ca, id);
  material.svids[0].bundle = std::move(bundle);
  for (const auto& [name, der] : federated) material.federated_bundles[name] = der;
  auto read = X509Context::read(material, {}, nullptr);
  REQUIRE(read);
  return *std::move(read);
}

std::vector<Line> lines(const X509Context* before, const X509Context& after) {
  std::vector<Line> out;
  for (const auto& fields : BundleChanges::between(before, after).lines) {
    Line& line = out.emplace_back();
    for (const auto& [key, value] : fields) line[std::string(key)] = value;
  }
  return out;
}

std::string fingerprint(const test::Ca& ca) {
  return spiffe::identity::Certificate::parse(ca.der())->sha256();
}

Line line(std::string change, std::string domain) {
  return {{"event", "bundle_changed"}, {"change", std::move(change)}, {"trust_domain", std::move(domain)}};
}

Line with(Line line, const std::string& key, std::string value) {
  line[key] = std::move(value);
  return line;
}

}  // namespace

TEST_CASE("the first update adds every trust domain, our own first") {
  const test::Ca ca;
  const test::Ca other;
  const auto first = context(ca, ca.der(), {{"another.example", other.der()}});
  CHECK(lines(nullptr, first) ==
        std::vector{with(line("added", "example.org"), "authorities_added", fingerprint(ca)),
                    with(line("added", "another.example"), "authorities_added", fingerprint(other))});
}

TEST_CASE("the same authorities in another order are not a change") {
  const test::Ca ca;
  const test::Ca next;
  const auto before = context(ca, test::concat({ca.der(), next.der()}));
  CHECK(lines(&before, context(ca, test::concat({ca.der(), next.der()}))).empty());
  CHECK(lines(&before, context(ca, test::concat({next.der(), ca.der()}))).empty());
  CHECK(lines(&before, context(ca, test::concat({next.der(), ca.der(), next.der()}))).empty());
}

TEST_CASE("added and removed authorities are listed by fingerprint") {
  const test::Ca ca;
  const test::Ca gone;
  const test::Ca fresh;
  const auto before = context(ca, test::concat({ca.der(), gone.der()}));
  const auto after = context(ca, test::concat({ca.der(), fresh.der()}));
  CHECK(lines(&before, after) ==
        std::vector{with(with(line("changed", "example.org"), "authorities_added", fingerprint(fresh)),
                         "authorities_removed", fingerprint(gone))});
}

TEST_CASE("trust domains are added and removed, including our own") {
  const test::Ca ca;
  const test::Ca one;
  const test::Ca two;
  const auto before = context(ca, ca.der(), {{"one.example", one.der()}});
  CHECK(lines(&before, context(ca, ca.der(), {{"two.example", two.der()}})) ==
        std::vector{with(line("added", "two.example"), "authorities_added", fingerprint(two)),
                    with(line("removed", "one.example"), "authorities_removed", fingerprint(one))});
  const auto moved = context(one, one.der(), {}, "spiffe://evil.example/web");
  CHECK(lines(&before, moved) ==
        std::vector{with(line("added", "evil.example"), "authorities_added", fingerprint(one)),
                    with(line("removed", "example.org"), "authorities_removed", fingerprint(ca)),
                    with(line("removed", "one.example"), "authorities_removed", fingerprint(one))});
}

TEST_CASE("a federated trust domain that becomes our own is not reported as added") {
  const test::Ca ca;
  const test::Ca one;
  const auto before = context(ca, ca.der(), {{"one.example", one.der()}});
  const auto after = context(one, one.der(), {{"example.org", ca.der()}}, "spiffe://one.example/web");
  CHECK(lines(&before, after).empty());
}

TEST_CASE("of many changes the first ones are listed, and the rest is counted") {
  const test::Ca ca;
  identity::Bytes many = ca.der();
  for (std::size_t i = 0; i < BundleChanges::kMaxAuthorities; ++i) {
    many = test::concat({many, test::Ca().der()});
  }
  Federated federated;
  for (int i = 0; i < 40; ++i) federated["domain-" + std::to_string(i) + ".example"] = ca.der();
  const auto changes = BundleChanges::between(nullptr, context(ca, many, federated));
  CHECK(changes.lines.size() == BundleChanges::kMaxDomains);
  CHECK(changes.left_out == 41 - BundleChanges::kMaxDomains);
  const auto& added = changes.lines.front().back();
  CHECK(added.key == "authorities_added");
  CHECK(added.value.ends_with(",and 1 more"));
  CHECK(std::ranges::count(added.value, ',') == BundleChanges::kMaxAuthorities);
}
