#include "identity/private_key.hh"

#include <algorithm>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/evp.h>

#include "identity/certificate.hh"
#include "support/catch.hh"
#include "support/pki.hh"

using spiffe::SecretBytes;
using spiffe::identity::Bytes;
using spiffe::identity::Certificate;
namespace test = spiffe::test;
using test::KeyType;

namespace {

test::Issued leaf_with(KeyType type) {
  static const test::Ca ca;
  return ca.issue(test::CertificateOptions{.uris = {"spiffe://example.org/web"}, .key_type = type});
}

std::string verdict(std::span<const std::byte> pkcs8, const test::Issued& leaf) {
  const auto certificate = Certificate::parse(leaf.der);
  const auto checked = spiffe::identity::check_private_key(pkcs8, certificate->x509_without_key());
  return checked ? "ok" : checked.error().message;
}

// The key in another format or structure, encoded by OpenSSL.
Bytes encoded(const test::Key& key, const char* format, const char* structure) {
  const spiffe::Owned<OSSL_ENCODER_CTX, OSSL_ENCODER_CTX_free> context(
      OSSL_ENCODER_CTX_new_for_pkey(key.get(), EVP_PKEY_KEYPAIR, format, structure, nullptr));
  unsigned char* data = nullptr;
  std::size_t size = 0;
  REQUIRE(OSSL_ENCODER_to_data(context.get(), &data, &size) == 1);
  const auto raw = std::as_bytes(std::span(data, size));
  Bytes out(raw.begin(), raw.end());
  OPENSSL_free(data);
  return out;
}

Bytes copy(const SecretBytes& secret) {
  return {secret.bytes().begin(), secret.bytes().end()};
}

// A PKCS#8 P-256 key, encoded by hand from the scalar and the public half, unless that is empty.
Bytes ec_key(const Bytes& scalar, const Bytes& point) {
  const auto wrap = [](char tag, const Bytes& content) {
    Bytes head{static_cast<std::byte>(tag), static_cast<std::byte>(content.size())};
    if (content.size() >= 0x80) head = {head[0], std::byte{0x81}, head[1]};
    return test::concat({head, content});
  };
  Bytes inner = test::concat({test::bytes("\x02\x01\x01"), wrap('\x04', scalar)});
  if (!point.empty()) {
    inner = test::concat({inner, wrap('\xA1', wrap('\x03', test::concat({Bytes(1), point})))});
  }
  const Bytes algorithm =
      test::bytes("\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
  return wrap('\x30', test::concat({test::bytes(std::string_view("\x02\x01\x00", 3)), algorithm,
                                    wrap('\x04', wrap('\x30', inner))}));
}

Bytes scalar_of(const test::Key& key) {
  BIGNUM* number = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1);
  Bytes scalar(32);
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(scalar.data()), 32);
  BN_clear_free(number);
  return scalar;
}

Bytes point_of(const test::Key& key) {
  Bytes point(65);
  std::size_t size = 0;
  REQUIRE(EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                          reinterpret_cast<unsigned char*>(point.data()), point.size(),
                                          &size) == 1);
  point.resize(size);
  return point;
}

}  // namespace

TEST_CASE("RSA, EC P-256, P-384, P-521 and Ed25519 keys are accepted") {
  for (const auto type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::ec_p521, KeyType::rsa_1024,
                          KeyType::rsa_2048, KeyType::ed25519}) {
    CAPTURE(static_cast<int>(type));
    const auto leaf = leaf_with(type);
    CHECK(verdict(leaf.key.pkcs8().bytes(), leaf) == "ok");
  }
}

TEST_CASE("other types of private key are refused by name") {
  const auto refused = [](KeyType type) {
    const auto leaf = leaf_with(type);
    return verdict(leaf.key.pkcs8().bytes(), leaf);
  };
  CHECK(refused(KeyType::ec_secp256k1) ==
        "the private key is on the curve secp256k1, not P-256, P-384 or P-521");
  CHECK(refused(KeyType::ec_p224) == "the private key is on the curve secp224r1, not P-256, P-384 or P-521");
  CHECK(refused(KeyType::ed448) == "the private key is of the kind ED448, not RSA, EC or Ed25519");
}

TEST_CASE("a key that belongs to another certificate is refused") {
  for (const auto type :
       {KeyType::ec_p256, KeyType::ec_p384, KeyType::ec_p521, KeyType::rsa_2048, KeyType::ed25519}) {
    CAPTURE(static_cast<int>(type));
    CHECK(verdict(test::Key::generate(type).pkcs8().bytes(), leaf_with(type)) ==
          "the private key does not belong to the leaf certificate");
  }
  CHECK(verdict(test::Key::generate(KeyType::rsa_2048).pkcs8().bytes(), leaf_with(KeyType::ec_p256)) ==
        "the private key does not belong to the leaf certificate");
  CHECK(verdict(test::Key::generate(KeyType::ec_p384).pkcs8().bytes(), leaf_with(KeyType::ec_p256)) ==
        "the private key does not belong to the leaf certificate");
}

TEST_CASE("a key in another format than unencrypted PKCS#8 DER is refused by name") {
  const auto ec = leaf_with(KeyType::ec_p256);
  const auto rsa = leaf_with(KeyType::rsa_1024);
  CHECK(verdict({}, ec) == "the private key is not PKCS#8 DER");
  CHECK(verdict(test::bytes("x"), ec) == "the private key is not PKCS#8 DER");
  CHECK(verdict(test::bytes("\x30\x03\x02\x01\x01"), ec) == "the private key is not PKCS#8 DER");
  CHECK(verdict(encoded(ec.key, "PEM", "PrivateKeyInfo"), ec) == "the private key is not PKCS#8 DER");
  // EncryptedPrivateKeyInfo: the algorithm (PBES2), then the ciphertext.
  const auto encrypted =
      test::bytes("\x30\x13\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d\x04\x04wxyz");
  CHECK(verdict(encrypted, ec) == "the private key is encrypted");
  CHECK(verdict(encoded(ec.key, "DER", "type-specific"), ec) == "the private key is SEC 1 (EC), not PKCS#8");
  CHECK(verdict(encoded(rsa.key, "DER", "type-specific"), rsa) ==
        "the private key is PKCS#1 (RSA), not PKCS#8");
}

TEST_CASE("bytes after a private key are an error") {
  const auto leaf = leaf_with(KeyType::ec_p256);
  Bytes key = copy(leaf.key.pkcs8());
  key.push_back(std::byte{0});
  CHECK(verdict(key, leaf) == "bytes follow the private key");
  key.resize(key.size() - 2);
  CHECK(verdict(key, leaf) == "the private key is not PKCS#8 DER");
}

TEST_CASE("the public half of a key is computed, not trusted") {
  const auto leaf = leaf_with(KeyType::ec_p256);
  const auto other = test::Key::generate();
  const Bytes right = scalar_of(leaf.key);
  CHECK(verdict(ec_key(right, point_of(leaf.key)), leaf) == "ok");
  CHECK(verdict(ec_key(right, {}), leaf) == "ok");
  CHECK(verdict(ec_key(scalar_of(other), point_of(leaf.key)), leaf) ==
        "the private key does not belong to the leaf certificate");
  CHECK(verdict(ec_key(right, point_of(other)), leaf) ==
        "the public half inside the private key is not that of the key");
}

TEST_CASE("an EC key beyond its curve is malformed") {
  const auto leaf = leaf_with(KeyType::ec_p256);
  const std::string malformed = "the private key is not a well-formed EC key";
  CHECK(verdict(ec_key(Bytes(32), {}), leaf) == malformed);
  CHECK(verdict(ec_key(Bytes(32, std::byte{0xFF}), {}), leaf) == malformed);
  CHECK(verdict(ec_key({}, {}), leaf) == malformed);
  CHECK(verdict(ec_key(Bytes(60, std::byte{1}), {}), leaf) == malformed);
}

TEST_CASE("a changed bit anywhere in an RSA key is refused") {
  const auto leaf = leaf_with(KeyType::rsa_1024);
  const Bytes good = copy(leaf.key.pkcs8());
  // Every part matters except the algorithm's parameters, so flip bits in many places.
  for (std::size_t at = 0; at < good.size(); at += 7) {
    if (at >= 20 && at < 22) continue;
    Bytes bad = good;
    bad[at] ^= std::byte{1};
    CAPTURE(at);
    REQUIRE(verdict(bad, leaf) != "ok");
  }
}

TEST_CASE("a message about a key contains nothing of it") {
  const auto leaf = leaf_with(KeyType::ec_p256);
  Bytes raw = test::bytes("secret-secret-secret");
  CHECK(verdict(raw, leaf).find("secret") == std::string::npos);
}
