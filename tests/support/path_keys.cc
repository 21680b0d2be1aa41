#include "support/path_keys.hh"

#include <stdexcept>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "support/asn1.hh"

namespace spiffe::test {

namespace {

using asn1::element;
using asn1::oid;
using asn1::sequence;
using namespace std::string_literals;

std::string spki(const EVP_PKEY* key) {
  unsigned char* out = nullptr;
  const int size = i2d_PUBKEY(key, &out);
  if (size <= 0) throw std::runtime_error("test key: encode");
  std::string text(reinterpret_cast<char*>(out), static_cast<std::size_t>(size));
  OPENSSL_free(out);
  return text;
}

std::string rsa_algorithm(char which) {
  return sequence({oid("\x2A\x86\x48\x86\xF7\x0D\x01\x01"s + which), element(0x05, "")});
}

std::string ecdsa_algorithm(char which) {
  return sequence({oid("\x2A\x86\x48\xCE\x3D\x04\x03"s + which)});
}

// SHA-256, MGF1 with it, a salt of 32 bytes.
std::string pss_algorithm() {
  const std::string sha256 = sequence({oid("\x60\x86\x48\x01\x65\x03\x04\x02\x01"), element(0x05, "")});
  const std::string mgf1 = sequence({oid("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x08"), sha256});
  return sequence({oid("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0A"),
                   sequence({element(0xA0, sha256), element(0xA1, mgf1), element(0xA2, asn1::integer(32))})});
}

void add(std::vector<PathKey>& keys, EVP_PKEY* made, std::vector<SignatureForm> forms) {
  if (made == nullptr) throw std::runtime_error("test key: " + take_openssl_error());
  PathKey key{PkeyPtr(made), spki(made), std::move(forms)};
  for (SignatureForm& form : key.forms) form.key = made;
  keys.push_back(std::move(key));
}

std::vector<SignatureForm> rsa_forms() {
  return {{rsa_algorithm('\x0B'), nullptr, "SHA256"},  {rsa_algorithm('\x05'), nullptr, "SHA1"},
          {rsa_algorithm('\x0C'), nullptr, "SHA384"},  {rsa_algorithm('\x0D'), nullptr, "SHA512"},
          {rsa_algorithm('\x0E'), nullptr, "SHA224"},  {pss_algorithm(), nullptr, "SHA256", true},
          {rsa_algorithm('\x0C'), nullptr, "SHA256"},  // names another digest
          {ecdsa_algorithm('\x02'), nullptr, "SHA256"}};
}

std::vector<SignatureForm> ec_forms() {
  return {{ecdsa_algorithm('\x02'), nullptr, "SHA256"},
          {ecdsa_algorithm('\x03'), nullptr, "SHA384"},
          {ecdsa_algorithm('\x04'), nullptr, "SHA512"},
          {sequence({oid("\x2A\x86\x48\xCE\x3D\x04\x01")}), nullptr, "SHA1"},
          {sequence({oid("\x2A\x86\x48\xCE\x3D\x04\x03\x02"), element(0x05, "")}), nullptr, "SHA256"},
          {ecdsa_algorithm('\x02'), nullptr, "SHA384"}};  // names another digest
}

EVP_PKEY* unnamed_curve() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  if (key != nullptr)
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT);
  return key;
}

std::vector<PathKey> make_keys() {
  std::vector<PathKey> keys;
  for (int i = 0; i < 6; ++i) add(keys, EVP_RSA_gen(512), rsa_forms());
  add(keys, EVP_RSA_gen(1024), rsa_forms());
  for (const char* curve : {"P-256", "P-384", "P-521", "P-224", "secp256k1"})
    add(keys, EVP_EC_gen(curve), ec_forms());
  add(keys, unnamed_curve(), ec_forms());
  add(keys, EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), {{sequence({oid("\x2B\x65\x70")})}});
  // A point that is not on its curve.
  add(keys, EVP_EC_gen("P-256"), ec_forms());
  std::string& off = keys.back().public_key;
  off.back() = static_cast<char>(off.back() ^ 1);
  return keys;
}

}  // namespace

std::string SignatureForm::sign(std::string_view content) const {
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // owned by `context`
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
  std::size_t size = signature.size();
  bool good = EVP_DigestSignInit_ex(context.get(), &options, digest, nullptr, nullptr, key, nullptr) == 1;
  if (good && pss)
    good = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
  good = good && EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                reinterpret_cast<const unsigned char*>(content.data()), content.size()) == 1;
  static_cast<void>(take_openssl_error());
  signature.resize(good ? size : 0);
  return signature;
}

const std::vector<PathKey>& path_keys() {
  static const std::vector<PathKey> keys = make_keys();
  return keys;
}

}  // namespace spiffe::test
