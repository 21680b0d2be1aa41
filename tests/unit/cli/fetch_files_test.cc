#include "cli/agent/fetch_files.hh"

#include <map>

#include "cli/text/wait_line.hh"
#include "views.hh"

using namespace spiffe;
using namespace spiffe::cli;

TEST_CASE("files have spire-agent's names, federated bundles numbered for each SVID") {
  const test::Ca ca(test::authority());
  auto web = svid(ca);
  auto db = svid(ca, "spiffe://example.org/db");
  auto material = message(ca, {&web, &db});
  const test::Ca partner(test::authority("Partner"));
  const test::Ca other(test::authority("Other"));
  material.federated_bundles["spiffe://partner.example"] = partner.der();
  material.federated_bundles["spiffe://other.example"] = other.der();
  const auto files = x509_files(material, seen(material));
  std::map<std::string, const output::File*> by_name;
  for (const auto& file : files) by_name[file.name] = &file;
  REQUIRE(files.size() == 10);
  REQUIRE(by_name.size() == 10);
  for (const std::string number : {"0", "1"}) {
    CHECK(by_name.at("svid." + number + ".key")->mode == 0600);
    CHECK(by_name.at("svid." + number + ".pem")->mode == 0644);
    CHECK(by_name.contains("bundle." + number + ".pem"));
    // Sorted by the name of the trust domain.
    const auto parsed = [](const test::Ca& of) { return identity::Certificate::parse(of.der())->pem(); };
    CHECK(by_name.at("federated_bundle." + number + ".0.pem")->content.text() == parsed(other));
    CHECK(by_name.at("federated_bundle." + number + ".1.pem")->content.text() == parsed(partner));
  }
  CHECK(by_name.at("svid.0.key")->content.text().starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

TEST_CASE("a line is cut to the terminal's width, between characters") {
  CHECK(cut("abc", 3) == "abc");
  CHECK(cut("abcd", 3) == "ab…");
  CHECK(cut("äöüß", 3) == "äö…");
  CHECK(cut("abc", 0).empty());
}
