#include "support/pki.hh"

#include <atomic>
#include <cstdint>
#include <stdexcept>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

namespace spiffe::test {

namespace {

void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("test CA: ") + what + ": " + take_openssl_error());
}

EVP_PKEY* with_unnamed_curve(EVP_PKEY* key) {
  check(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT) == 1,
        "curve");
  return key;
}

EVP_PKEY* new_key(KeyType type) {
  switch (type) {
    case KeyType::ec_p224:
      return EVP_EC_gen("P-224");
    case KeyType::ec_p256:
      return EVP_EC_gen("P-256");
    case KeyType::ec_p256_unnamed:
      return with_unnamed_curve(EVP_EC_gen("P-256"));
    case KeyType::ec_p384:
      return EVP_EC_gen("P-384");
    case KeyType::ec_p521:
      return EVP_EC_gen("P-521");
    case KeyType::ec_secp256k1:
      return EVP_EC_gen("secp256k1");
    case KeyType::rsa_1024:
      return EVP_RSA_gen(1024);
    case KeyType::rsa_2048:
      return EVP_RSA_gen(2048);
    case KeyType::ed25519:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    case KeyType::ed448:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448");
  }
  return nullptr;
}

void set_time(ASN1_TIME* field, WallTime time) {
  check(ASN1_TIME_set(field, std::chrono::system_clock::to_time_t(time)) != nullptr, "time");
}

void set_name(X509_NAME* name, const std::string& common_name) {
  if (common_name.empty()) return;
  const auto* cn = reinterpret_cast<const unsigned char*>(common_name.data());
  check(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, cn,
                                   static_cast<int>(common_name.size()), -1, 0) == 1,
        "name");
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  check(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, value.c_str());
}

void add_san(GENERAL_NAMES* names, int type, const std::string& value) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  check(ASN1_STRING_set(text, value.data(), static_cast<int>(value.size())) == 1, "SAN");
  GENERAL_NAME_set0_value(name, type, text);
  sk_GENERAL_NAME_push(names, name);
}

void add_sans(X509* certificate, const CertificateOptions& options) {
  if (options.uris.empty() && options.dns.empty()) return;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
  for (const auto& uri : options.uris) add_san(names.get(), GEN_URI, uri);
  for (const auto& dns : options.dns) add_san(names.get(), GEN_DNS, dns);
  check(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) == 1, "SAN");
}

void add_extensions(X509* certificate, X509* issuer, const CertificateOptions& options) {
  if (options.ca) {
    add_extension(certificate, issuer, NID_basic_constraints,
                  *options.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  }
  if (!options.key_usage.empty()) add_extension(certificate, issuer, NID_key_usage, options.key_usage);
  if (!options.ext_key_usage.empty())
    add_extension(certificate, issuer, NID_ext_key_usage, options.ext_key_usage);
  if (options.key_ids) {
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    // An issuer may have no key identifier.
    if (X509_get0_subject_key_id(issuer) != nullptr) {
      add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
    }
  }
  add_sans(certificate, options);
  for (const auto& extra : options.extensions) add_extension(certificate, issuer, extra.nid, extra.value);
}

identity::Bytes to_der(X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  check(size > 0, "encode");
  identity::Bytes der(static_cast<std::size_t>(size));
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate, &out);
  return der;
}

X509Ptr from_der(const identity::Bytes& der) {
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  X509Ptr certificate(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  check(certificate != nullptr, "decode");
  return certificate;
}

// `issuer` is null for a self-signed certificate.
identity::Bytes sign(const CertificateOptions& options, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  static std::atomic<std::uint64_t> next_serial = 1000;
  const X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), next_serial++);
  set_time(X509_getm_notBefore(certificate.get()), options.not_before);
  set_time(X509_getm_notAfter(certificate.get()), options.not_after);
  set_name(X509_get_subject_name(certificate.get()), options.common_name);
  X509_set_issuer_name(certificate.get(),
                       X509_get_subject_name(issuer != nullptr ? issuer : certificate.get()));
  X509_set_pubkey(certificate.get(), key);
  add_extensions(certificate.get(), issuer != nullptr ? issuer : certificate.get(), options);
  const int id = EVP_PKEY_get_id(issuer_key);
  const bool own_digest = id == EVP_PKEY_ED25519 || id == EVP_PKEY_ED448;
  check(X509_sign(certificate.get(), issuer_key, own_digest ? nullptr : EVP_sha256()) > 0, "sign");
  return to_der(certificate.get());
}

Key key_of(const CertificateOptions& options) {
  return options.key ? *options.key : Key::generate(options.key_type);
}

Issued self_signed(const CertificateOptions& options) {
  const Key key = key_of(options);
  return Issued{sign(options, key.get(), nullptr, key.get()), {}, key};
}

}  // namespace

Key Key::generate(KeyType type) {
  EVP_PKEY* key = new_key(type);
  check(key != nullptr, "key");
  return Key(key);
}

SecretBytes Key::pkcs8() const {
  const Pkcs8Ptr info(EVP_PKEY2PKCS8(key_.get()));
  unsigned char* out = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &out) : -1;
  check(size > 0, "key encoding");
  SecretBytes der(std::as_bytes(std::span(out, static_cast<std::size_t>(size))));
  OPENSSL_clear_free(out, static_cast<std::size_t>(size));
  return der;
}

CertificateOptions authority_options(std::string common_name) {
  CertificateOptions options;
  options.common_name = std::move(common_name);
  options.not_before = wall_now() - std::chrono::days(1);
  options.not_after = wall_now() + std::chrono::days(10);
  options.ca = true;
  options.key_usage = "critical,keyCertSign,cRLSign";
  options.ext_key_usage = "";
  return options;
}

CertificateOptions authority(std::string common_name) {
  auto options = authority_options(std::move(common_name));
  options.not_before = kNow - std::chrono::days(1);
  options.not_after = kNow + std::chrono::days(10);
  return options;
}

CertificateOptions leaf(std::string spiffe_id) {
  return {.uris = {std::move(spiffe_id)},
          .not_before = kNow - std::chrono::minutes(1),
          .not_after = kNow + std::chrono::hours(1)};
}

identity::Bytes Issued::chain() const {
  identity::Bytes all = der;
  for (const auto& intermediate : intermediates)
    all.insert(all.end(), intermediate.begin(), intermediate.end());
  return all;
}

Ca::Ca(CertificateOptions options) : self_(self_signed(options)), root_der_(self_.der) {}

Ca Ca::intermediate(CertificateOptions options) const {
  return Ca(issue(options), root_der_);
}

Issued Ca::issue(const CertificateOptions& options) const {
  const Key key = key_of(options);
  const X509Ptr issuer = from_der(self_.der);
  Issued issued{sign(options, key.get(), issuer.get(), self_.key.get()), {}, key};
  if (self_.der != root_der_) {
    issued.intermediates.push_back(self_.der);
    issued.intermediates.insert(issued.intermediates.end(), self_.intermediates.begin(),
                                self_.intermediates.end());
  }
  return issued;
}

Issued Ca::issue(std::string_view spiffe_id) const {
  return issue(CertificateOptions{.uris = {std::string(spiffe_id)}});
}

identity::X509SvidMaterial svid_material(const Ca& ca, const CertificateOptions& options) {
  const Issued issued = ca.issue(options);
  return {.spiffe_id = options.uris.empty() ? "spiffe://example.org/none" : options.uris.front(),
          .certificates = issued.chain(),
          .key = issued.key.pkcs8(),
          .bundle = ca.root_der(),
          .hint = {}};
}

identity::X509SvidMaterial svid_material(const Ca& ca, std::string_view spiffe_id, std::string hint) {
  auto made = svid_material(ca, CertificateOptions{.uris = {std::string(spiffe_id)}});
  made.hint = std::move(hint);
  return made;
}

identity::X509Material material(const Ca& ca, std::string_view spiffe_id, std::string hint) {
  identity::X509Material message;
  message.svids.push_back(svid_material(ca, spiffe_id, std::move(hint)));
  return message;
}

identity::Bytes concat(std::initializer_list<identity::Bytes> parts) {
  identity::Bytes all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

identity::Bytes bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

}  // namespace spiffe::test
