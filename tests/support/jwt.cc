#include "support/jwt.hh"

#include <stdexcept>
#include <vector>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "base/base64.hh"
#include "base/openssl.hh"

namespace spiffe::test {

namespace {

using nlohmann::json;
using BignumPtr = Owned<BIGNUM, BN_free>;
using DigestPtr = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using SignaturePtr = Owned<ECDSA_SIG, ECDSA_SIG_free>;

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string(what) + ": " + take_openssl_error());
}

std::string number(EVP_PKEY* key, const char* name, std::size_t size = 0) {
  BIGNUM* raw = nullptr;
  require(EVP_PKEY_get_bn_param(key, name, &raw) == 1, name);
  const BignumPtr owned(raw);
  std::string out(size != 0 ? size : static_cast<std::size_t>(BN_num_bytes(raw)), '\0');
  BN_bn2binpad(raw, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  return out;
}

std::size_t coordinate(EVP_PKEY* key) {
  return (static_cast<std::size_t>(EVP_PKEY_get_bits(key)) + 7) / 8;
}

const EVP_MD* digest(std::string_view algorithm) {
  if (algorithm.ends_with("384")) return EVP_sha384();
  return algorithm.ends_with("512") ? EVP_sha512() : EVP_sha256();
}

std::string raw_signature(const std::string& der, std::size_t half) {
  const auto* p = reinterpret_cast<const unsigned char*>(der.data());
  const SignaturePtr signature(d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(der.size())));
  require(signature != nullptr, "d2i_ECDSA_SIG");
  std::string out(2 * half, '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), to, static_cast<int>(half));
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), to + half, static_cast<int>(half));
  return out;
}

std::string sign(EVP_PKEY* key, std::string_view algorithm, std::string_view text) {
  const DigestPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  require(EVP_DigestSignInit(context.get(), &options, digest(algorithm), nullptr, key) == 1, "sign");
  if (algorithm.starts_with("PS")) {
    require(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1, "padding");
    require(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1, "salt");
  }
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  require(EVP_DigestSign(context.get(), nullptr, &size, data, text.size()) == 1, "sign");
  std::string out(size, '\0');
  require(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, data,
                         text.size()) == 1,
          "sign");
  out.resize(size);
  return EVP_PKEY_is_a(key, "EC") == 1 ? raw_signature(out, coordinate(key)) : out;
}

}  // namespace

json jwk(const Key& key, std::string_view key_id) {
  EVP_PKEY* pkey = key.get();
  if (EVP_PKEY_is_a(pkey, "RSA") == 1) {
    return {{"kty", "RSA"},
            {"kid", key_id},
            {"n", base64url_encode(number(pkey, OSSL_PKEY_PARAM_RSA_N))},
            {"e", base64url_encode(number(pkey, OSSL_PKEY_PARAM_RSA_E))}};
  }
  const std::size_t size = coordinate(pkey);
  return {{"kty", "EC"},
          {"kid", key_id},
          {"crv", "P-" + std::to_string(EVP_PKEY_get_bits(pkey))},
          {"x", base64url_encode(number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, size))},
          {"y", base64url_encode(number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, size))}};
}

std::string jwks(std::initializer_list<json> keys) {
  json document = {{"keys", json::array()}};
  for (const json& key : keys) document["keys"].push_back(key);
  return document.dump();
}

std::string token_of(const Key& key, std::string_view algorithm, std::string_view header,
                     std::string_view payload) {
  const std::string text = base64url_encode(header) + "." + base64url_encode(payload);
  return text + "." + base64url_encode(sign(key.get(), algorithm, text));
}

std::string token(const Key& key, const json& header, const json& claims) {
  return token_of(key, header.value("alg", "ES256"), header.dump(), claims.dump());
}

}  // namespace spiffe::test
