#include "dev_agent/key.hh"

#include <array>
#include <optional>

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "base/text.hh"

namespace spiffe::dev_agent {

namespace {

using BignumPtr = Owned<BIGNUM, BN_free>;

EVP_PKEY* generate(KeyType type) {
  switch (type) {
    case KeyType::ec_p256:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
    case KeyType::ec_p384:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384");
    case KeyType::rsa_2048:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048});
    case KeyType::rsa_4096:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{4096});
    case KeyType::ed25519:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  }
  return nullptr;
}

// OpenSSL 3.0 takes 90 us to encode an EC key and 250 us to put one into a certificate, which is three
// quarters of the time of a rotation. So these two are done here.
struct EcKey {
  int curve;           // NID
  std::string scalar;  // big-endian, as long as the curve's order
  std::string point;   // uncompressed
};

std::optional<EcKey> ec_key(EVP_PKEY* key) {
  if (EVP_PKEY_get_id(key) != EVP_PKEY_EC) return std::nullopt;
  EcKey out;
  std::array<unsigned char, 256> point{};
  std::size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size) != 1) {
    return std::nullopt;
  }
  out.curve = EVP_PKEY_get_bits(key) == 256 ? NID_X9_62_prime256v1 : NID_secp384r1;
  out.point.assign(reinterpret_cast<const char*>(point.data()), size);
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) return std::nullopt;
  const BignumPtr scalar(number);
  out.scalar.resize(static_cast<std::size_t>(EVP_PKEY_get_bits(key)) / 8);
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.scalar.data()),
               static_cast<int>(out.scalar.size()));
  return out;
}

// One DER value; its content is shorter than 64 kB.
std::string tlv(int tag, std::string_view content) {
  std::string out(1, static_cast<char>(tag));
  const std::size_t size = content.size();
  if (size > 0xFF) {
    out += {'\x82', static_cast<char>(size >> 8)};
  } else if (size > 0x7F) {
    out += '\x81';
  }
  out += static_cast<char>(size & 0xFF);
  return out.append(content);
}

std::string oid(int nid) {
  const ASN1_OBJECT* object = OBJ_nid2obj(nid);
  return tlv(V_ASN1_OBJECT, {reinterpret_cast<const char*>(OBJ_get0_data(object)), OBJ_length(object)});
}

// RFC 5958 around RFC 5915, without the curve a second time.
std::string ec_pkcs8(const EcKey& key) {
  using namespace std::string_literals;
  constexpr int kSequence = 0x30;
  const std::string public_key = tlv(0xA1, tlv(V_ASN1_BIT_STRING, "\0"s + key.point));
  const std::string private_key =
      tlv(kSequence, tlv(V_ASN1_INTEGER, "\1") + tlv(V_ASN1_OCTET_STRING, key.scalar) + public_key);
  return tlv(kSequence, tlv(V_ASN1_INTEGER, "\0"s) +
                            tlv(kSequence, oid(NID_X9_62_id_ecPublicKey) + oid(key.curve)) +
                            tlv(V_ASN1_OCTET_STRING, private_key));
}

}  // namespace

Result<KeyType> parse_key_type(std::string_view name) {
  for (std::size_t i = 0; i < kKeyTypeNames.size(); ++i) {
    if (kKeyTypeNames[i] == name) return static_cast<KeyType>(i);
  }
  return fail(ErrorKind::usage, "no key type is called " + quote(name), "one of " + one_of(kKeyTypeNames));
}

Result<PkeyPtr> make_key(KeyType type) {
  PkeyPtr key(generate(type));
  if (!key) return fail("make a key: " + take_openssl_error());
  return key;
}

Result<std::string> pkcs8(EVP_PKEY* key) {
  if (const auto ec = ec_key(key)) return ec_pkcs8(*ec);
  const Pkcs8Ptr info(EVP_PKEY2PKCS8(key));
  unsigned char* der = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der) : -1;
  if (size < 0) return fail("encode a key: " + take_openssl_error());
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

bool set_public_key(X509* certificate, EVP_PKEY* key) {
  const auto ec = ec_key(key);
  if (!ec) return X509_set_pubkey(certificate, key) == 1;
  auto* point = static_cast<unsigned char*>(OPENSSL_memdup(ec->point.data(), ec->point.size()));
  return X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(certificate), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                                V_ASN1_OBJECT, OBJ_nid2obj(ec->curve), point,
                                static_cast<int>(ec->point.size())) == 1;
}

}  // namespace spiffe::dev_agent
