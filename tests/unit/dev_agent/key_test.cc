#include "dev_agent/key.hh"

#include "support/catch.hh"

using namespace spiffe;
using namespace spiffe::dev_agent;

namespace {

std::string by_openssl(EVP_PKEY* key) {
  const Pkcs8Ptr info(EVP_PKEY2PKCS8(key));
  unsigned char* der = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der);
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string public_key(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace

TEST_CASE("keys are encoded byte for byte like OpenSSL's") {
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048, KeyType::ed25519}) {
    // Several keys, because a scalar may begin with zeroes.
    const int rounds = type == KeyType::rsa_2048 ? 1 : 300;
    for (int i = 0; i < rounds; ++i) {
      const auto key = make_key(type).value();
      REQUIRE(pkcs8(key.get()).value() == by_openssl(key.get()));
    }
  }
}

TEST_CASE("a certificate's public key is the one OpenSSL would have set") {
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048, KeyType::ed25519}) {
    const auto key = make_key(type).value();
    const X509Ptr ours(X509_new());
    const X509Ptr theirs(X509_new());
    REQUIRE(set_public_key(ours.get(), key.get()));
    REQUIRE(X509_set_pubkey(theirs.get(), key.get()) == 1);
    CHECK(public_key(ours.get()) == public_key(theirs.get()));
  }
}

TEST_CASE("key types have names") {
  CHECK(parse_key_type("ec-p384").value() == KeyType::ec_p384);
  CHECK(parse_key_type("ed25519").value() == KeyType::ed25519);
  CHECK_FALSE(parse_key_type("EC-P256"));
}
