#include "output/file_plan.hh"

#include <chrono>

#include <openssl/pem.h>

#include "identity/x509_context.hh"
#include "output/pem.hh"
#include "support/catch.hh"
#include "support/pki.hh"
#include "unit/output/identities.hh"

namespace spiffe::output::test {

namespace {

using namespace std::chrono_literals;
namespace pki = spiffe::test;

struct Given {
  OutputNames names = {{"svid_file_name", "svid.pem"},
                       {"svid_key_file_name", "svid_key.pem"},
                       {"svid_bundle_file_name", "svid_bundle.pem"}};
  EncodeOptions options = {};
  Attributes attributes = {};
};

std::string certificate(const identity::Bytes& der) {
  return pem("CERTIFICATE", der);
}

// The content of the file with these contents; "" if there is none.
std::string content(const FileSet& set, Contents contents) {
  for (const File& file : set.files) {
    if (file.contents == contents) return std::string(file.content.text());
  }
  return {};
}

FileSet encoded(const identity::X509Context& context, const Given& given = {}) {
  const auto plan = FilePlan::make("/certs", given.names, given.options, given.attributes);
  REQUIRE(plan);
  auto set = plan->encode({.identity = context, .now = wall_now()});
  REQUIRE(set);
  return std::move(*set);
}

pki::CertificateOptions expired_authority() {
  pki::CertificateOptions options = pki::authority_options("Old CA");
  options.not_after = wall_now() - 1h;
  return options;
}

}  // namespace

TEST_CASE("PEM has the format of Go's encoding/pem") {
  CHECK(pem("PRIVATE KEY", {}) == "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n");
  CHECK(pem("X", pki::bytes("a")) == "-----BEGIN X-----\nYQ==\n-----END X-----\n");
  // 48 bytes fill exactly one line, without an empty one after it.
  CHECK(pem("X", pki::bytes(std::string(48, 'a'))) ==
        "-----BEGIN X-----\nYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\n-----END "
        "X-----\n");
  CHECK(pem("X", pki::bytes(std::string(49, 'a'))).ends_with("YWFh\nYQ==\n-----END X-----\n"));
}

TEST_CASE("pem_size() is exact for every length, and the PEM can be read back") {
  for (std::size_t n = 0; n < 4000; n += n < 200 ? 1 : 37) {
    identity::Bytes der(n);
    for (std::size_t i = 0; i < n; ++i) der[i] = static_cast<std::byte>(i * 7 + n);
    const std::string text = pem("CERTIFICATE", der);
    REQUIRE(text.size() == pem_size("CERTIFICATE", n));
    if (n == 0) continue;
    const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    REQUIRE(PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1);
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    CHECK(identity::Bytes(begin, begin + size) == der);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
  }
}

TEST_CASE("the certificate file has leaf and intermediates, the bundle has the domain's roots") {
  const pki::Ca root;
  const pki::Ca middle = root.intermediate();
  auto material = pki::material(middle, "spiffe://example.org/web");
  const auto context = context_of(material);
  FileSet set = encoded(context);
  REQUIRE(context.svid.chain.size() == 2);
  const std::string leaf = certificate(context.svid.chain[0].der());
  const std::string intermediate = certificate(middle.der());
  CHECK(content(set, Contents::certificate) == leaf + intermediate);
  CHECK(content(set, Contents::trust) == certificate(root.der()));
  CHECK(content(set, Contents::key) == pem("PRIVATE KEY", context.svid.key.bytes()));

  Given given;
  given.options.add_intermediates_to_bundle = true;
  set = encoded(context, given);
  CHECK(content(set, Contents::certificate) == leaf);
  CHECK(content(set, Contents::trust) == certificate(root.der()) + intermediate);
}

TEST_CASE("federated domains come last, sorted by name, if configured") {
  const pki::Ca own;
  const pki::Ca alpha;
  const pki::Ca beta;
  auto material = pki::material(own, "spiffe://example.org/web");
  material.federated_bundles["spiffe://beta.test"] = beta.der();
  material.federated_bundles["spiffe://alpha.test"] = alpha.der();
  const auto context = context_of(material);
  CHECK(content(encoded(context), Contents::trust) == certificate(own.der()));
  Given given;
  given.options.include_federated_domains = true;
  CHECK(content(encoded(context, given), Contents::trust) ==
        certificate(own.der()) + certificate(alpha.der()) + certificate(beta.der()));
}

TEST_CASE("omit_expired drops expired authorities from the bundle, but never all of them") {
  const pki::Ca own;
  const pki::Ca old(expired_authority());
  auto material = pki::material(own, "spiffe://example.org/web");
  material.svids[0].bundle = pki::concat({old.der(), own.der()});
  const auto context = context_of(material);
  Given given;
  CHECK(content(encoded(context, given), Contents::trust) == certificate(old.der()) + certificate(own.der()));
  given.options.omit_expired = true;
  CHECK(content(encoded(context, given), Contents::trust) == certificate(own.der()));

  material.svids[0].bundle = old.der();
  const FileSet set = encoded(context_of(material, false), given);
  CHECK(content(set, Contents::trust) == certificate(old.der()));
  CHECK_FALSE(content(set, Contents::certificate).empty());
}

TEST_CASE("modes and owners: key_owner overrides owner field by field") {
  const pki::Ca ca;
  const auto context = context_of(pki::material(ca, "spiffe://example.org/web"));
  Given given;
  given.attributes.cert_file_mode = 0640;
  given.attributes.key_file_mode = 0400;
  given.attributes.owner = {.user = 1, .group = 2};
  given.attributes.key_owner = {.user = 3, .group = std::nullopt};
  for (const File& file : encoded(context, given).files) {
    const bool key = file.contents == Contents::key;
    CHECK(is_secret(file.contents) == key);
    CHECK(file.mode == (key ? 0400U : 0640U));
    CHECK(file.owner == Owner{.user = key ? 3U : 1U, .group = 2U});
  }
}

TEST_CASE("outputs without a configured name are not planned") {
  const pki::Ca ca;
  const auto context = context_of(pki::material(ca, "spiffe://example.org/web"));
  Given given{.names = {}};
  CHECK(encoded(context, given).files.empty());
  given.names = {{"svid_key_file_name", "key"}};
  REQUIRE(encoded(context, given).files.size() == 1);
  CHECK(encoded(context, given).files[0].name == "key");
}

}  // namespace spiffe::output::test
