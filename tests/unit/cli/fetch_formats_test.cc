#include "cli/agent/fetch_formats.hh"

#include <algorithm>
#include <set>

#include "views.hh"

using namespace spiffe;
using namespace spiffe::cli;

namespace {

std::set<std::string_view> keys(const FetchFormats& formats) {
  std::set<std::string_view> out;
  for (const auto* format : formats.outputs) out.insert(format->key);
  return out;
}

std::string comma_list_but_pem() {
  const std::string all(kFetchFormatWords.text());
  REQUIRE(all.starts_with("pem,"));
  return all.substr(4);
}

}  // namespace

TEST_CASE("-format reaches every row of the table of outputs") {
  const auto formats = parse_fetch_formats(kFetchFormatWords.text());
  REQUIRE(formats);
  CHECK(formats->pem);
  std::set<std::string_view> wanted;
  for (const auto& format : output::kFormats) wanted.insert(format.key);
  for (const std::string_view pem : {"svid_file_name", "svid_key_file_name", "svid_bundle_file_name"})
    wanted.erase(pem);
  CHECK(keys(*formats) == wanted);
  CHECK(formats->outputs.size() == wanted.size());
}

TEST_CASE("-format: the outputs of each value") {
  using Keys = std::set<std::string_view>;
  CHECK(parse_fetch_formats("")->pem);
  CHECK(keys(*parse_fetch_formats("")).empty());
  CHECK(keys(*parse_fetch_formats("combined")) == Keys{"svid_combined_file_name"});
  CHECK_FALSE(parse_fetch_formats("combined")->pem);
  CHECK(keys(*parse_fetch_formats("pkcs12")) == Keys{"svid_keystore_file_name", "truststore_file_name"});
  CHECK(parse_fetch_formats("pkcs12")->takes_password());
  CHECK_FALSE(parse_fetch_formats("pem,combined")->takes_password());
  CHECK(keys(*parse_fetch_formats("pem,bundle-map,bundle-dir,bundle-map")) ==
        Keys{"bundle_map_file_name", "bundle_dir"});
  // Without duplicates, even if the list repeats a value.
  CHECK(parse_fetch_formats("truststore,pkcs12")->outputs.size() == 2);
}

TEST_CASE("-format: values that are not formats") {
  for (const std::string_view list : {"nothing", "pem,", ",", "pem, combined", "svid_combined_file_name"}) {
    CAPTURE(list);
    const auto refused = parse_fetch_formats(list);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::usage);
    CHECK(contains(refused.error().message, "combined"));
  }
}

TEST_CASE("the outputs of each SVID are those of its encoders, with separate names") {
  const test::Ca ca(test::authority());
  const test::Ca partner(test::authority("Partner"));
  auto web = svid(ca);
  auto db = svid(ca, "spiffe://example.org/db");
  auto material = message(ca, {&web, &db});
  material.federated_bundles["spiffe://partner.example"] = partner.der();
  const auto formats = parse_fetch_formats(comma_list_but_pem());
  REQUIRE(formats);
  const SecretBytes password(std::string_view("secret"));
  const auto fetched = formatted_files(material, *formats, test::kNow, &password);
  REQUIRE(fetched);
  std::set<std::string> names;
  for (const auto& file : fetched->files) {
    CAPTURE(file.name);
    CHECK(names.insert(file.name).second);
    CHECK(file.mode == (is_secret(file.contents) ? 0600 : 0644));
    CHECK_FALSE(file.content.empty());
  }
  for (const std::string number : {"0", "1"}) {
    for (const std::string& name :
         {"combined." + number + ".pem", "keystore." + number + ".p12", "truststore." + number + ".p12",
          "bundle_map." + number + ".json", "bundle_dir." + number + "/partner.example.pem",
          "envoy_sds_dir." + number + "/svid.yaml"}) {
      CAPTURE(name);
      CHECK(names.contains(name));
    }
    CHECK(fetched->folders.at("bundle_dir." + number) == "*.pem");
  }
  const auto combined = std::ranges::find(fetched->files, "combined.1.pem", &output::File::name);
  REQUIRE(combined != fetched->files.end());
  CHECK(combined->content.text().starts_with("-----BEGIN PRIVATE KEY-----\n"));
  CHECK(contains(std::string(combined->content.text()), seen(material).svids[1].chain[0].pem()));
}
