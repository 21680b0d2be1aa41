#include "identity/public_key.hh"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>
#include <openssl/core_names.h>

#include "base/base64.hh"
#include "support/catch.hh"
#include "support/pki.hh"

namespace spiffe::identity::test {

namespace {

namespace pki = spiffe::test;
using nlohmann::json;

Certificate certificate(pki::KeyType type) {
  pki::CertificateOptions options = pki::authority_options();
  options.key_type = type;
  return *Certificate::parse(pki::Ca(options).der());
}

// A number in the certificate's key as OpenSSL returns it, without leading zeros.
std::string number(const Certificate& of, const char* name) {
  BIGNUM* found = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(X509_get0_pubkey(of.x509()), name, &found) == 1);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(found)), '\0');
  BN_bn2bin(found, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(found);
  return bytes;
}

std::string padded(std::string number, std::size_t size) {
  return std::string(size - number.size(), '\0') + number;
}

}  // namespace

TEST_CASE("the JWK of an EC key has its curve and coordinates of full length") {
  struct Row {
    pki::KeyType type;
    const char* curve;
    std::size_t size;
  };
  for (const Row& row : {Row{pki::KeyType::ec_p256, "P-256", 32}, Row{pki::KeyType::ec_p384, "P-384", 48},
                         Row{pki::KeyType::ec_p521, "P-521", 66}}) {
    const Certificate found = certificate(row.type);
    const auto members = public_jwk_members(found);
    REQUIRE(members);
    CHECK(json::parse("{" + *members + "}") ==
          json{{"kty", "EC"},
               {"crv", row.curve},
               {"x", base64url_encode(padded(number(found, OSSL_PKEY_PARAM_EC_PUB_X), row.size))},
               {"y", base64url_encode(padded(number(found, OSSL_PKEY_PARAM_EC_PUB_Y), row.size))}});
  }
}

TEST_CASE("the JWK of an RSA key has modulus and exponent without leading zeros") {
  const Certificate found = certificate(pki::KeyType::rsa_2048);
  const auto members = public_jwk_members(found);
  REQUIRE(members);
  CHECK(json::parse("{" + *members + "}") ==
        json{{"kty", "RSA"}, {"n", base64url_encode(number(found, OSSL_PKEY_PARAM_RSA_N))}, {"e", "AQAB"}});
}

TEST_CASE("there is no JWK for other kinds of keys, nor for invalid certificates") {
  for (const pki::KeyType type : {pki::KeyType::ed25519, pki::KeyType::ed448, pki::KeyType::ec_p224,
                                  pki::KeyType::ec_secp256k1, pki::KeyType::ec_p256_unnamed}) {
    CHECK_FALSE(public_jwk_members(certificate(type)));
  }
  const pki::Ca ca;
  Bytes der = ca.der();
  // The first byte of the point is 4; there is no form 5.
  constexpr std::array kHead = {std::byte{0x03}, std::byte{0x42}, std::byte{0x00}, std::byte{0x04}};
  const auto point = std::ranges::search(der, kHead);
  REQUIRE(!point.empty());
  point[3] = std::byte{5};
  const auto cut = Certificate::split_concatenated(der);
  REQUIRE(cut);
  CHECK_FALSE(public_jwk_members(cut->front()));
}

}  // namespace spiffe::identity::test
