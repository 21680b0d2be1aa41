#include "output/encode_credential_folder.hh"

#include <algorithm>

#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include "base/text.hh"
#include "output/certificates_pem.hh"
#include "output/formats.hh"
#include "output/own_directory.hh"
#include "unit/output/identities.hh"

namespace spiffe::output::test {

namespace {

constexpr const char* kMain = "credential-bundle.private-key.x509.pem";

std::map<std::string, std::string> encoded_folder(const identity::X509Context& context,
                                                  const EncodeOptions& options = {}) {
  auto files = encode_credential_folder({.identity = context, .now = wall_now()}, options);
  REQUIRE(files);
  std::map<std::string, std::string> out;
  for (const NamedBytes& each : *files) {
    CHECK(is_member(kCredentialFolderMembers, each.name));
    out.emplace(each.name, each.bytes.text());
  }
  CHECK(out.size() == files->size());
  return out;
}

identity::X509Context every_svid(const identity::X509Material& material) {
  identity::X509Context context = context_of(material);
  context.add_further(material, {}, wall_now(), true);
  return context;
}

std::string sha256(std::string_view content) {
  std::array<std::byte, 32> digest{};
  EVP_Digest(content.data(), content.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
             EVP_sha256(), nullptr);
  std::string out = hex(digest);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return "sha256:" + out;
}

}  // namespace

TEST_CASE("section 2.1: a PKCS#8 key, then the chain from the leaf, and nothing else") {
  const pki::Ca root;
  const pki::Ca middle = root.intermediate();
  const auto context = every_svid(pki::material(middle, "spiffe://example.org/web"));
  REQUIRE(context.svid.chain.size() == 2);
  // These options affect only other outputs.
  const auto files = encoded_folder(context, {.add_intermediates_to_bundle = true,
                                              .include_federated_domains = true,
                                              .key_format = KeyFormat::sec1,
                                              .combined_order = CombinedOrder::chain_first});
  CHECK(files.at(kMain) == pem("PRIVATE KEY", context.svid.key.bytes()) +
                               pem("CERTIFICATE", context.svid.chain[0].der()) +
                               pem("CERTIFICATE", context.svid.chain[1].der()));
  CHECK(files.size() == 3);
}

TEST_CASE("section 2.1: the chain stops at the certificate preceding the trust anchor") {
  const pki::Ca root;
  const pki::Ca middle = root.intermediate();
  auto material = pki::material(middle, "spiffe://example.org/web");
  auto& svid = material.svids[0];
  svid.certificates = pki::concat({svid.certificates, root.der()});
  auto context = every_svid(material);
  REQUIRE(context.svid.chain.size() == 3);
  CHECK(encoded_folder(context).at(kMain) == pem("PRIVATE KEY", context.svid.key.bytes()) +
                                                 pem("CERTIFICATE", context.svid.chain[0].der()) +
                                                 pem("CERTIFICATE", context.svid.chain[1].der()));
  // An intermediate may be the anchor (section 2.2): the root above it is superfluous as well.
  svid.bundle = middle.der();
  context = every_svid(material);
  CHECK(encoded_folder(context).at(kMain) ==
        pem("PRIVATE KEY", context.svid.key.bytes()) + pem("CERTIFICATE", context.svid.chain[0].der()));
}

TEST_CASE("section 2.2: a file for each trust domain, with its certificates only") {
  const pki::Ca own;
  const pki::Ca next;
  const pki::Ca other;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.svids[0].bundle = pki::concat({own.der(), next.der()});
  material.federated_bundles["spiffe://other.test"] = other.der();
  const auto files = encoded_folder(every_svid(material));
  CHECK(files.size() == 4);
  CHECK(files.at("example.org.spiffe-trust-bundle.x509.pem") ==
        pem("CERTIFICATE", own.der()) + pem("CERTIFICATE", next.der()));
  CHECK(files.at("other.test.spiffe-trust-bundle.x509.pem") == pem("CERTIFICATE", other.der()));
}

TEST_CASE("earlier revisions of the draft have other names and the same content") {
  const pki::Ca own;
  const pki::Ca other;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.svids.push_back(pki::svid_material(own, "spiffe://example.org/db"));
  material.federated_bundles["spiffe://other.test"] = other.der();
  const auto context = every_svid(material);
  struct Revision {
    CredentialFolderDraft draft;
    std::string credentials;
    std::string trust;
  };
  const std::vector<Revision> revisions = {
      {CredentialFolderDraft::private_key, "credential-bundle.private-key.pem", ".spiffe-trust-bundle.pem"},
      {CredentialFolderDraft::plain, "credential-bundle.pem", ".trust-bundle.pem"}};
  const auto latest = encoded_folder(context);
  for (const Revision& each : revisions) {
    const auto files = encoded_folder(context, {.credential_folder_draft = each.draft});
    CHECK(files.size() == latest.size());
    CHECK(files.at(each.credentials) == latest.at(kMain));
    CHECK(files.at("1." + each.credentials) == latest.at("1." + std::string(kMain)));
    CHECK(files.at("hints.json") == latest.at("hints.json"));
    for (const std::string domain : {"example.org", "other.test"}) {
      CHECK(files.at(domain + each.trust) == latest.at(domain + ".spiffe-trust-bundle.x509.pem"));
    }
  }
}

TEST_CASE("a trust domain without a file name is left out; our own is an error") {
  const pki::Ca ca;
  auto material = pki::material(ca, "spiffe://example.org/web");
  material.federated_bundles["..hidden"] = ca.der();
  material.federated_bundles[".dot"] = ca.der();
  material.federated_bundles[std::string(240, 'a')] = ca.der();
  const auto files = encoded_folder(every_svid(material));
  CHECK(files.size() == 4);
  CHECK(files.contains(".dot.spiffe-trust-bundle.x509.pem"));
  const auto context = context_of(pki::material(ca, "spiffe://" + std::string(240, 'a') + "/web"));
  const auto refused = encode_credential_folder({.identity = context, .now = wall_now()}, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().hint == "use bundle_map_file_name in place of credential_folder");
}

TEST_CASE("further SVIDs are numbered from 1, and the hints identify each file by its bytes") {
  const pki::Ca ca;
  auto material = pki::material(ca, "spiffe://example.org/web");
  material.svids.push_back(pki::svid_material(ca, "spiffe://example.org/db", "say \"db\""));
  material.svids.push_back(pki::svid_material(ca, "spiffe://example.org/bad"));
  material.svids.back().key = pki::Key::generate().pkcs8();
  material.svids.push_back(pki::svid_material(ca, "spiffe://example.org/last"));
  const auto files = encoded_folder(every_svid(material));
  CHECK(files.size() == 5);
  const auto bundle = [&](std::size_t svid, std::span<const std::byte> leaf) {
    return pem("PRIVATE KEY", material.svids[svid].key.bytes()) + pem("CERTIFICATE", leaf);
  };
  CHECK(files.at(kMain) == bundle(0, material.svids[0].certificates));
  CHECK(files.at("1." + std::string(kMain)) == bundle(1, material.svids[1].certificates));
  // The number of the SVID that is left out stays unused: later ones keep theirs.
  CHECK_FALSE(files.contains("2." + std::string(kMain)));
  CHECK(files.at("3." + std::string(kMain)) == bundle(3, material.svids[3].certificates));
  const auto hints = nlohmann::json::parse(files.at("hints.json")).at("hints");
  REQUIRE(hints.size() == 3);
  CHECK(hints[0].at("hint") == "");
  CHECK(hints[0].at("id") == 0);
  CHECK(hints[0].at("fingerprint") == sha256(files.at(kMain)));
  CHECK(hints[1].at("hint") == "say \"db\"");
  CHECK(hints[1].at("id") == 1);
  CHECK(hints[1].at("fingerprint") == sha256(files.at("1." + std::string(kMain))));
  CHECK(hints[2].at("id") == 3);
}

TEST_CASE("a further SVID of another trust domain adds its authorities") {
  const pki::Ca own;
  const pki::Ca other;
  const pki::Ca forged;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.svids.push_back(pki::svid_material(other, "spiffe://other.test/web"));
  // Its bundle overrides the federated one of its own domain, but not the bundle of ours.
  material.federated_bundles["other.test"] = forged.der();
  material.svids.push_back(pki::svid_material(forged, "spiffe://example.org/odd"));
  const auto files = encoded_folder(every_svid(material));
  CHECK(files.at("other.test.spiffe-trust-bundle.x509.pem") == pem("CERTIFICATE", other.der()));
  CHECK(files.at("example.org.spiffe-trust-bundle.x509.pem") == pem("CERTIFICATE", own.der()));
}

TEST_CASE("only the names of the credential folder are members of it") {
  CHECK(any_has({{"credential_folder", "creds"}}, &Format::every_svid));
  CHECK_FALSE(any_has({{"svid_combined_file_name", "c"}}, &Format::every_svid));
  for (const char* name : {"tls.crt", "1.pem", "x.pem", "trust-bundle.pem", "..data",
                           ".spiffe-trust-bundle.x509.pem", "hints.json.bak"}) {
    CHECK_FALSE(is_member(kCredentialFolderMembers, name));
  }
  CHECK(fixed_members(kCredentialFolderMembers) == std::vector<std::string>{"hints.json"});
}

}  // namespace spiffe::output::test
