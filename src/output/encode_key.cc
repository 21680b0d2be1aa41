#include "output/encode_key.hh"

#include <string>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "base/openssl.hh"
#include "output/pem.hh"

namespace spiffe::output {

namespace {

constexpr std::string_view kPkcs8 = "PRIVATE KEY";
constexpr std::string_view kSec1 = "EC PRIVATE KEY";
constexpr std::string_view kPkcs1 = "RSA PRIVATE KEY";

void append(SecretBytes& out, std::string_view label, const SecretBytes& der) {
  out.reserve(out.size() + pem_size(label, der.size()));
  append_pem(out, label, der.bytes());
}

PkeyPtr decode(const SecretBytes& pkcs8) {
  const unsigned char* in = pkcs8.uchars();
  const Pkcs8Ptr info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &in, static_cast<long>(pkcs8.size())));
  PkeyPtr key(info ? EVP_PKCS82PKEY(info.get()) : nullptr);
  ERR_clear_error();
  return key;
}

// The type with its article, as in "an RSA key".
std::string type_of(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return "an RSA";
    case EVP_PKEY_EC:
      return "an EC";
    case EVP_PKEY_ED25519:
      return "an Ed25519";
    default:
      break;
  }
  const char* name = OBJ_nid2sn(EVP_PKEY_get_base_id(key));
  return std::string("a ") + (name == nullptr ? "unknown" : name);
}

// The format that the key's type has besides PKCS#8.
KeyFormat traditional_format(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
      return KeyFormat::sec1;
    case EVP_PKEY_RSA:
      return KeyFormat::pkcs1;
    default:
      return KeyFormat::pkcs8;
  }
}

std::unexpected<Error> does_not_fit(KeyFormat format, const EVP_PKEY* key) {
  const bool sec1 = format == KeyFormat::sec1;
  const KeyFormat other = traditional_format(key);
  const std::string_view fits = other == KeyFormat::sec1    ? "\"sec1\" or "
                                : other == KeyFormat::pkcs1 ? "\"pkcs1\" or "
                                                            : "";
  return fail(
      ErrorKind::failed,
      fmt::format("key_format = \"{}\" is for {} keys, and the agent issued {} key", sec1 ? "sec1" : "pkcs1",
                  sec1 ? "EC" : "RSA", type_of(key)),
      fmt::format("set key_format = {}\"pkcs8\", or \"traditional\", which follows the key's type; or "
                  "let the SPIFFE server issue {} keys",
                  fits, sec1 ? "EC" : "RSA"));
}

}  // namespace

Result<void> append_key(SecretBytes& out, const SecretBytes& pkcs8, KeyFormat format) {
  if (format != KeyFormat::pkcs8) {
    const PkeyPtr key = decode(pkcs8);
    if (!key) return fail("the private key cannot be decoded");
    const KeyFormat native = traditional_format(key.get());
    if (format == KeyFormat::traditional) format = native;
    if (format != KeyFormat::pkcs8) {
      if (format != native) return does_not_fit(format, key.get());
      unsigned char* der = nullptr;
      const int size = i2d_PrivateKey(key.get(), &der);
      const SecretBytes encoded = take_der(der, size);
      if (encoded.empty()) return fail("the private key cannot be encoded: " + take_openssl_error());
      append(out, format == KeyFormat::sec1 ? kSec1 : kPkcs1, encoded);
      return {};
    }
  }
  append(out, kPkcs8, pkcs8);
  return {};
}

Result<Encoded> encode_key(const Source& source, const EncodeOptions& options) {
  SecretBytes bytes;
  if (auto done = append_key(bytes, source.identity.svid.key, options.key_format); !done)
    return fail(done.error());
  return one_file(std::move(bytes));
}

}  // namespace spiffe::output
