#include "cli/files/pkcs12_file.hh"

#include <string>
#include <string_view>

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "base/openssl.hh"
#include "cli/files/key_block.hh"
#include "cli/text/cat.hh"
#include "output/encode_pkcs12.hh"

namespace spiffe::cli {

namespace {

using Pkcs12Ptr = Owned<PKCS12, PKCS12_free>;

Pkcs12Ptr read(const SecretBytes& content) {
  const unsigned char* in = content.uchars();
  Pkcs12Ptr file(d2i_PKCS12(nullptr, &in, static_cast<long>(content.size())));
  ERR_clear_error();
  if (file && in != content.uchars() + content.size()) file.reset();
  return file;
}

void add(std::vector<PemBlock>& blocks, X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  blocks.push_back({"CERTIFICATE", take_der(der, size)});
}

bool opens(PKCS12* file, std::string_view password) {
  if (PKCS12_mac_present(file) == 0) return true;
  const bool right = PKCS12_verify_mac(file, password.data(), static_cast<int>(password.size())) == 1;
  ERR_clear_error();
  return right;
}

Result<std::vector<PemBlock>> blocks_of(PKCS12* file, const SecretBytes& password) {
  // OpenSSL expects a string that ends with a zero byte.
  SecretBytes text;
  text.reserve(password.size() + 1);
  text.append(password.bytes());
  text.append(std::string_view("\0", 1));
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* others = nullptr;
  const bool parsed =
      PKCS12_parse(file, reinterpret_cast<const char*>(text.data()), &key, &leaf, &others) == 1;
  const PkeyPtr owned_key(key);
  const X509Ptr owned_leaf(leaf);
  const X509StackPtr owned_others(others);
  if (!parsed) {
    return fail(ErrorKind::verification, cat({"PKCS#12 that cannot be read: ", take_openssl_error()}),
                "RC2, which older programs encrypt with, is not supported");
  }
  std::vector<PemBlock> blocks;
  if (key != nullptr) blocks.push_back({"PRIVATE KEY", pkcs8_of(key)});
  if (leaf != nullptr) add(blocks, leaf);
  for (int i = 0; i < sk_X509_num(others); ++i) add(blocks, sk_X509_value(others, i));
  if (blocks.empty()) return fail(ErrorKind::verification, "PKCS#12 without a key or a certificate");
  return blocks;
}

}  // namespace

bool is_pkcs12(const SecretBytes& content) {
  return read(content) != nullptr;
}

Result<std::vector<PemBlock>> pkcs12_blocks(const SecretBytes& content, const SecretBytes* password) {
  const Pkcs12Ptr file = read(content);
  if (!file) return fail(ErrorKind::verification, "not PKCS#12");
  if (password != nullptr) {
    if (opens(file.get(), password->text())) return blocks_of(file.get(), *password);
    return fail(ErrorKind::verification, "PKCS#12 with another password than the one given");
  }
  for (const std::string_view each : {output::kDefaultKeystorePassword, std::string_view("")}) {
    if (opens(file.get(), each)) return blocks_of(file.get(), SecretBytes(each));
  }
  return fail(ErrorKind::verification, "PKCS#12 with a password of its own",
              "-password-file takes the file that holds it");
}

}  // namespace spiffe::cli
