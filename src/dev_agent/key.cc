#include "dev_agent/key.hh"

#include "base/text.hh"

namespace spiffe::dev_agent {

namespace {

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
  const Pkcs8Ptr info(EVP_PKEY2PKCS8(key));
  unsigned char* der = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der) : -1;
  if (size < 0) return fail("encode a key: " + take_openssl_error());
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace spiffe::dev_agent
