#include "dev_agent/certificate.hh"

#include <array>

#include <openssl/bn.h>
#include <openssl/rand.h>

#include "base/text.hh"
#include "dev_agent/key.hh"

namespace spiffe::dev_agent {

namespace {

using BasicConstraintsPtr = Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using BitStringPtr = Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;
using OctetStringPtr = Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using AuthorityKeyIdPtr = Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using ExtendedKeyUsagePtr = Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;
using GeneralNamesPtr = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;
using CrlPtr = Owned<X509_CRL, X509_CRL_free>;
using TimePtr = Owned<ASN1_TIME, ASN1_TIME_free>;
using BignumPtr = Owned<BIGNUM, BN_free>;

// Bits of keyUsage, RFC 5280 section 4.2.1.3.
constexpr std::array kLeafUsage = {0, 2, 4};    // digitalSignature, keyEncipherment, keyAgreement
constexpr std::array kAuthorityUsage = {5, 6};  // keyCertSign, cRLSign

bool add(X509* certificate, int nid, void* value, bool critical) {
  return X509_add1_ext_i2d(certificate, nid, value, critical ? 1 : 0, X509V3_ADD_APPEND) == 1;
}

bool add_basic_constraints(X509* certificate, bool ca) {
  const BasicConstraintsPtr constraints(BASIC_CONSTRAINTS_new());
  constraints->ca = ca ? 0xFF : 0;
  return add(certificate, NID_basic_constraints, constraints.get(), true);
}

template <class Bits>
bool add_key_usage(X509* certificate, const Bits& bits) {
  const BitStringPtr usage(ASN1_BIT_STRING_new());
  for (const int bit : bits) ASN1_BIT_STRING_set_bit(usage.get(), bit, 1);
  return add(certificate, NID_key_usage, usage.get(), true);
}

bool add_extended_key_usage(X509* certificate) {
  const ExtendedKeyUsagePtr usage(EXTENDED_KEY_USAGE_new());
  sk_ASN1_OBJECT_push(usage.get(), OBJ_nid2obj(NID_server_auth));
  sk_ASN1_OBJECT_push(usage.get(), OBJ_nid2obj(NID_client_auth));
  return add(certificate, NID_ext_key_usage, usage.get(), false);
}

bool add_key_ids(X509* certificate, X509* issuer) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_pubkey_digest(certificate, EVP_sha1(), digest.data(), &size) != 1) return false;
  const OctetStringPtr id(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(id.get(), digest.data(), static_cast<int>(size));
  if (!add(certificate, NID_subject_key_identifier, id.get(), false)) return false;
  const ASN1_OCTET_STRING* issuer_id = issuer != nullptr ? X509_get0_subject_key_id(issuer) : nullptr;
  if (issuer_id == nullptr) return true;
  const AuthorityKeyIdPtr authority(AUTHORITY_KEYID_new());
  authority->keyid = ASN1_OCTET_STRING_dup(issuer_id);
  return add(certificate, NID_authority_key_identifier, authority.get(), false);
}

bool add_uris(X509* certificate, const std::vector<std::string>& uris) {
  if (uris.empty()) return true;
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  for (const std::string& uri : uris) {
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size()));
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    sk_GENERAL_NAME_push(names.get(), name);
  }
  return add(certificate, NID_subject_alt_name, names.get(), false);
}

bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return false;
  random[0] = static_cast<unsigned char>((random[0] & 0x7F) | 0x40);  // positive, and always 16 bytes
  const BignumPtr number(BN_bin2bn(random.data(), static_cast<int>(random.size()), nullptr));
  return BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_name(X509_NAME* name, const std::string& common_name) {
  const auto entry = [name](int nid, const std::string& text) {
    return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()), -1, 0) == 1;
  };
  return entry(NID_organizationName, "spiffe-dev-agent") &&
         (common_name.empty() || entry(NID_commonName, common_name));
}

bool set_fields(X509* certificate, const CertificateSpec& spec, EVP_PKEY* key, X509* issuer) {
  using std::chrono::system_clock;
  X509_NAME* subject = X509_get_subject_name(certificate);
  return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
         set_name(subject, spec.common_name) &&
         X509_set_issuer_name(certificate, issuer != nullptr ? X509_get_subject_name(issuer) : subject) ==
             1 &&
         ASN1_TIME_set(X509_getm_notBefore(certificate), system_clock::to_time_t(spec.not_before)) &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), system_clock::to_time_t(spec.not_after)) &&
         set_public_key(certificate, key);
}

bool add_extensions(X509* certificate, const CertificateSpec& spec, X509* issuer) {
  const bool usage = spec.signs_ca
                         ? add_key_usage(certificate, kAuthorityUsage)
                         : add_key_usage(certificate, kLeafUsage) && add_extended_key_usage(certificate);
  return usage && add_basic_constraints(certificate, spec.ca) && add_key_ids(certificate, issuer) &&
         add_uris(certificate, spec.uris);
}

}  // namespace

Result<X509Ptr> make_certificate(const CertificateSpec& spec, EVP_PKEY* key, const Authority* issuer) {
  X509* issuer_certificate = issuer != nullptr ? issuer->certificate.get() : nullptr;
  EVP_PKEY* signing_key = issuer != nullptr ? issuer->key.get() : key;
  X509Ptr certificate(X509_new());
  if (!certificate || !set_fields(certificate.get(), spec, key, issuer_certificate) ||
      !add_extensions(certificate.get(), spec, issuer_certificate) ||
      X509_sign(certificate.get(), signing_key, EVP_sha256()) == 0) {
    return fail("make a certificate: " + take_openssl_error());
  }
  return certificate;
}

Result<Authority> make_authority(const std::string& common_name, const std::string& spiffe_id,
                                 const Authority* issuer) {
  auto key = make_key(KeyType::ec_p256);
  if (!key) return fail(key.error());
  const WallTime now = wall_now();
  CertificateSpec spec{common_name, {}, now - std::chrono::hours(1), now + std::chrono::hours(24 * 3650)};
  if (!spiffe_id.empty()) spec.uris.push_back(spiffe_id);
  spec.ca = true;
  spec.signs_ca = true;
  auto certificate = make_certificate(spec, key->get(), issuer);
  if (!certificate) return fail(certificate.error());
  return Authority{*std::move(key), *std::move(certificate)};
}

Result<std::string> make_crl(const Authority& issuer) {
  const CrlPtr crl(X509_CRL_new());
  using std::chrono::system_clock;
  const WallTime now = wall_now();
  const TimePtr last(ASN1_TIME_set(nullptr, system_clock::to_time_t(now)));
  const TimePtr next(ASN1_TIME_set(nullptr, system_clock::to_time_t(now + std::chrono::days(1))));
  unsigned char* data = nullptr;
  if (!crl || X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) != 1 ||
      X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.certificate.get())) != 1 ||
      X509_CRL_set1_lastUpdate(crl.get(), last.get()) != 1 ||
      X509_CRL_set1_nextUpdate(crl.get(), next.get()) != 1 ||
      X509_CRL_sign(crl.get(), issuer.key.get(), EVP_sha256()) == 0) {
    return fail("make a revocation list: " + take_openssl_error());
  }
  const int size = i2d_X509_CRL(crl.get(), &data);
  if (size < 0) return fail("encode a revocation list: " + take_openssl_error());
  std::string out(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return out;
}

std::string der(X509* certificate) {
  unsigned char* data = nullptr;
  const int size = i2d_X509(certificate, &data);
  if (size < 0) return {};
  std::string out(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return out;
}

std::string serial_hex(const X509* certificate) {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
  const auto* bytes = reinterpret_cast<const std::byte*>(ASN1_STRING_get0_data(serial));
  return lower(hex({bytes, static_cast<std::size_t>(ASN1_STRING_length(serial))}));
}

}  // namespace spiffe::dev_agent
