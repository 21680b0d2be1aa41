#include "cli/files/key_block.hh"

#include <utility>

#include <openssl/err.h>

namespace spiffe::cli {

namespace {

constexpr std::string_view kPkcs8 = "PRIVATE KEY";

std::unexpected<Error> refuse_key(std::string message, std::string hint = {}) {
  ERR_clear_error();
  return fail(ErrorKind::verification, std::move(message), std::move(hint));
}

// The key type for a label; 0 if the label does not define one.
int type_of(std::string_view label) {
  if (label == "EC PRIVATE KEY") return EVP_PKEY_EC;
  return label == "RSA PRIVATE KEY" ? EVP_PKEY_RSA : 0;
}

}  // namespace

SecretBytes pkcs8_of(const EVP_PKEY* key) {
  const Pkcs8Ptr info(EVP_PKEY2PKCS8(key));
  unsigned char* der = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der) : -1;
  return take_der(der, size);
}

bool is_private_key(const PemBlock& block) {
  return block.label.ends_with(kPkcs8);
}

Result<KeyBlock> read_key(const PemBlock& block) {
  if (block.label.starts_with("ENCRYPTED"))
    return refuse_key("the private key is encrypted", "openssl pkey -in FILE writes it without a passphrase");
  KeyBlock out;
  const unsigned char* in = block.der.uchars();
  const auto size = static_cast<long>(block.der.size());
  out.key.reset(d2i_AutoPrivateKey(nullptr, &in, size));
  if (!out.key) return refuse_key("the private key cannot be read");
  if (in != block.der.uchars() + size) return refuse_key("bytes follow the private key");
  const int type = type_of(block.label);
  if (type != 0 && type != EVP_PKEY_get_base_id(out.key.get()))
    return refuse_key("the private key is of another type than its label says");
  if (block.label == kPkcs8) {
    out.pkcs8 = block.der.clone();
  } else {
    out.pkcs8 = pkcs8_of(out.key.get());
    if (out.pkcs8.empty()) return refuse_key("the private key cannot be read");
  }
  ERR_clear_error();
  return out;
}

}  // namespace spiffe::cli
