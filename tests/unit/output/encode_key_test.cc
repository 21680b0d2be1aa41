#include "output/encode_key.hh"

#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "output/file_plan.hh"
#include "output/pem.hh"
#include "support/catch.hh"
#include "support/pki.hh"
#include "unit/output/identities.hh"

namespace spiffe::output::test {

namespace {

namespace pki = spiffe::test;

std::string written(const pki::Key& key, KeyFormat format) {
  SecretBytes out;
  const auto done = append_key(out, key.pkcs8(), format);
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
  return std::string(out.text());
}

Error refused(const pki::Key& key, KeyFormat format) {
  SecretBytes out(std::string_view("before"));
  const auto done = append_key(out, key.pkcs8(), format);
  REQUIRE_FALSE(done);
  CHECK(out.text() == "before");
  return done.error();
}

// Reads the key as consumers do.
PkeyPtr read_back(const std::string& text) {
  const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  return PkeyPtr(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

// The key as openssl itself writes it: `openssl ec`, `openssl rsa -traditional`.
std::string of_openssl(const pki::Key& key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_PrivateKey_traditional(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) ==
          1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

struct Row {
  pki::KeyType type;
  KeyFormat traditional;  // the format besides PKCS#8
  std::string_view label;
};
constexpr Row kRows[] = {
    {pki::KeyType::ec_p256, KeyFormat::sec1, "EC PRIVATE KEY"},
    {pki::KeyType::ec_p384, KeyFormat::sec1, "EC PRIVATE KEY"},
    {pki::KeyType::ec_p521, KeyFormat::sec1, "EC PRIVATE KEY"},
    {pki::KeyType::rsa_2048, KeyFormat::pkcs1, "RSA PRIVATE KEY"},
    {pki::KeyType::ed25519, KeyFormat::pkcs8, "PRIVATE KEY"},
};

}  // namespace

TEST_CASE("PKCS#8 is the agent's key unchanged, for every type of key") {
  for (const Row& row : kRows) {
    const pki::Key key = pki::Key::generate(row.type);
    CHECK(written(key, KeyFormat::pkcs8) == pem("PRIVATE KEY", key.pkcs8().bytes()));
  }
}

TEST_CASE("SEC 1 and PKCS#1 are byte for byte what openssl writes, and can be read back") {
  for (const Row& row : kRows) {
    CAPTURE(row.label);
    const pki::Key key = pki::Key::generate(row.type);
    const std::string text = written(key, row.traditional);
    CHECK(text.starts_with("-----BEGIN " + std::string(row.label) + "-----\n"));
    CHECK(written(key, KeyFormat::traditional) == text);
    if (row.traditional != KeyFormat::pkcs8) CHECK(text == of_openssl(key));
    const PkeyPtr read = read_back(text);
    REQUIRE(read);
    CHECK(EVP_PKEY_eq(read.get(), key.get()) == 1);
  }
}

TEST_CASE("SEC 1 names its curve") {
  const PkeyPtr read = read_back(written(pki::Key::generate(pki::KeyType::ec_p384), KeyFormat::sec1));
  REQUIRE(read);
  std::array<char, 40> encoding{};
  std::size_t size = 0;
  REQUIRE(EVP_PKEY_get_utf8_string_param(read.get(), OSSL_PKEY_PARAM_EC_ENCODING, encoding.data(),
                                         encoding.size(), &size) == 1);
  CHECK(std::string_view(encoding.data()) == "named_curve");
}

TEST_CASE("a format that does not fit the key is an error with the key's type and a hint") {
  const pki::Key rsa = pki::Key::generate(pki::KeyType::rsa_2048);
  const pki::Key ec = pki::Key::generate(pki::KeyType::ec_p256);
  const pki::Key ed25519 = pki::Key::generate(pki::KeyType::ed25519);
  const Error sec1 = refused(rsa, KeyFormat::sec1);
  CHECK(sec1.message == "key_format = \"sec1\" is for EC keys, and the agent issued an RSA key");
  CHECK(sec1.hint ==
        "set key_format = \"pkcs1\" or \"pkcs8\", or \"traditional\", which follows the key's type; or let "
        "the SPIFFE server issue EC keys");
  CHECK(sec1.kind == ErrorKind::failed);
  CHECK(refused(ed25519, KeyFormat::sec1).message ==
        "key_format = \"sec1\" is for EC keys, and the agent issued an Ed25519 key");
  const Error pkcs1 = refused(ec, KeyFormat::pkcs1);
  CHECK(pkcs1.message == "key_format = \"pkcs1\" is for RSA keys, and the agent issued an EC key");
  CHECK(pkcs1.hint.starts_with("set key_format = \"sec1\" or \"pkcs8\", or \"traditional\""));
  const Error other = refused(ed25519, KeyFormat::pkcs1);
  CHECK(other.message == "key_format = \"pkcs1\" is for RSA keys, and the agent issued an Ed25519 key");
  CHECK(other.hint.starts_with("set key_format = \"pkcs8\", or \"traditional\""));
}

TEST_CASE("the error for an invalid key contains none of its bytes") {
  SecretBytes out;
  const auto done = append_key(out, SecretBytes(std::string_view("secret")), KeyFormat::traditional);
  REQUIRE_FALSE(done);
  CHECK(done.error().message == "the private key cannot be decoded");
  CHECK(out.empty());
}

TEST_CASE("the key file follows key_format") {
  const pki::Ca ca;
  const auto context = identity::X509Context::from(pki::material(ca, "spiffe://example.org/web"), {}, nullptr,
                                                   wall_now(), true);
  REQUIRE(context);
  const auto plan = [&](KeyFormat format) {
    return FilePlan::make("/certs", {{"svid_key_file_name", "key.pem"}}, {.key_format = format}, {});
  };
  const auto set = plan(KeyFormat::sec1)->encode({.identity = *context, .now = wall_now()});
  REQUIRE(set);
  CHECK(set->files.at(0).content.text().starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
  CHECK_FALSE(plan(KeyFormat::pkcs1)->encode({.identity = *context, .now = wall_now()}));
}

}  // namespace spiffe::output::test
