#include "output/encode_combined.hh"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "output/encode_key.hh"
#include "output/encode_pem.hh"
#include "output/file_plan.hh"
#include "support/catch.hh"
#include "support/pki.hh"

namespace spiffe::output::test {

namespace {

namespace pki = spiffe::test;

identity::X509Context signed_by(const pki::Ca& ca, pki::KeyType type = pki::KeyType::ec_p256) {
  pki::CertificateOptions options{.uris = {"spiffe://example.org/web"}};
  options.key_type = type;
  identity::X509Material material;
  material.svids.push_back(pki::svid_material(ca, options));
  auto context = identity::X509Context::from(material, {}, nullptr, wall_now(), true);
  INFO((context ? "" : context.error().error.message));
  REQUIRE(context);
  return *std::move(context);
}

std::string text_of(const Result<Encoded>& encoded) {
  REQUIRE(encoded);
  REQUIRE(encoded->size() == 1);
  CHECK(encoded->front().name.empty());
  return std::string(encoded->front().bytes.text());
}

struct Parts {
  std::string key;
  std::string chain;
};

// The results of SSL_CTX_use_certificate_chain_file() and SSL_CTX_use_PrivateKey_file(): each reads the file
// from its start.
struct Loaded {
  std::vector<X509Ptr> chain;
  PkeyPtr key;
};
Loaded load(const std::string& text) {
  Loaded out;
  const auto open = [&] { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); };
  const BioPtr certificates = open();
  while (X509* next = PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr))
    out.chain.emplace_back(next);
  ERR_clear_error();
  const BioPtr key = open();
  out.key.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
  return out;
}

Parts parts(const Source& source, const EncodeOptions& options) {
  return {text_of(encode_key(source, options)), text_of(encode_chain(source, options))};
}

}  // namespace

TEST_CASE("the combined file contains the key file and the chain file, in either order") {
  const pki::Ca root;
  const pki::Ca middle = root.intermediate();
  const auto context = signed_by(middle);
  const Source source{.identity = context, .now = wall_now()};
  for (const KeyFormat format : {KeyFormat::pkcs8, KeyFormat::sec1, KeyFormat::traditional}) {
    for (const bool leaf_only : {false, true}) {
      EncodeOptions options{.add_intermediates_to_bundle = leaf_only, .key_format = format};
      const auto [key, chain] = parts(source, options);
      CHECK(text_of(encode_combined(source, options)) == key + chain);
      options.combined_order = CombinedOrder::chain_first;
      CHECK(text_of(encode_combined(source, options)) == chain + key);
    }
  }
}

TEST_CASE("OpenSSL loads chain and key from the combined file, for every type of key") {
  const pki::Ca root;
  const pki::Ca middle = root.intermediate();
  for (const auto type : {pki::KeyType::ec_p256, pki::KeyType::ec_p384, pki::KeyType::ec_p521,
                          pki::KeyType::rsa_2048, pki::KeyType::ed25519}) {
    const auto context = signed_by(middle, type);
    for (const auto order : {CombinedOrder::key_first, CombinedOrder::chain_first}) {
      for (const auto format : {KeyFormat::pkcs8, KeyFormat::traditional}) {
        const EncodeOptions options{.key_format = format, .combined_order = order};
        const Loaded loaded =
            load(text_of(encode_combined({.identity = context, .now = wall_now()}, options)));
        REQUIRE(loaded.chain.size() == 2);
        REQUIRE(loaded.key);
        CHECK(X509_check_private_key(loaded.chain.front().get(), loaded.key.get()) == 1);
      }
    }
  }
}

TEST_CASE("a combined file has the key's mode and owner, changes last and is revoked") {
  const pki::Ca ca;
  const auto context = signed_by(ca);
  Attributes attributes;
  attributes.cert_file_mode = 0644;
  attributes.key_file_mode = 0640;
  attributes.owner = {.user = 1, .group = 2};
  attributes.key_owner = {.user = 3, .group = std::nullopt};
  const auto plan =
      FilePlan::make("/certs", {{"svid_combined_file_name", "combined.pem"}}, EncodeOptions{}, attributes);
  REQUIRE(plan);
  const auto set = plan->encode({.identity = context, .now = wall_now()});
  REQUIRE(set);
  REQUIRE(set->files.size() == 1);
  const File& file = set->files.front();
  CHECK(is_secret(file.contents));
  CHECK(turn_of(file.contents) == turn_of(Contents::certificate));
  CHECK(file.mode == 0640);
  CHECK(file.owner == Owner{.user = 3U, .group = 2U});
  CHECK(plan->names_with(Contents::key) == std::vector<std::string>{"combined.pem"});
}

TEST_CASE("a combined file whose key does not fit key_format is an error") {
  const pki::Ca ca;
  const auto context = signed_by(ca, pki::KeyType::ed25519);
  const EncodeOptions options{.key_format = KeyFormat::sec1, .combined_order = CombinedOrder::chain_first};
  CHECK_FALSE(encode_combined({.identity = context, .now = wall_now()}, options));
}

}  // namespace spiffe::output::test
