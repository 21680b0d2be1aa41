#include "identity/usual_path.hh"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include <openssl/err.h>
#include <openssl/objects.h>

#include "identity/der.hh"

namespace spiffe::identity {

namespace {

using MdCtxPtr = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;

// Extensions that say nothing about a path, or what is looked at here.
bool known_extension(int nid) {
  constexpr std::array kKnown = {NID_basic_constraints,
                                 NID_key_usage,
                                 NID_ext_key_usage,
                                 NID_subject_alt_name,
                                 NID_subject_key_identifier,
                                 NID_authority_key_identifier,
                                 NID_info_access,
                                 NID_crl_distribution_points};
  return std::ranges::find(kKnown, nid) != kKnown.end();
}

bool is_plain(X509* certificate) {
  if ((X509_get_extension_flags(certificate) & (EXFLAG_INVALID | EXFLAG_CRITICAL | EXFLAG_PROXY)) != 0) {
    return false;
  }
  for (int i = 0; i < X509_get_ext_count(certificate); ++i) {
    const ASN1_OBJECT* name = X509_EXTENSION_get_object(X509_get_ext(certificate, i));
    if (!known_extension(OBJ_obj2nid(name))) return false;
  }
  return true;
}

// Whether `certificate` may stand above `below` other authorities.
bool is_authority(X509* certificate, long below) {
  const std::uint32_t flags = X509_get_extension_flags(certificate);
  if ((flags & EXFLAG_BCONS) == 0 || (flags & EXFLAG_CA) == 0) return false;
  if ((flags & EXFLAG_KUSAGE) == 0 || (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) == 0) return false;
  const long limit = X509_get_pathlen(certificate);
  return limit < 0 || limit >= below;
}

// SHA-256, SHA-384 or SHA-512 of a plain ECDSA or RSA signature that fits `key`; nullptr for others.
const char* digest_of(const X509* certificate, const EVP_PKEY* key) {
  const X509_ALGOR* outer = nullptr;
  X509_get0_signature(nullptr, &outer, certificate);
  if (X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(certificate)) != 0) return nullptr;
  int digest = NID_undef;
  int kind = NID_undef;
  if (OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest, &kind) != 1) return nullptr;
  const bool plain = kind == NID_X9_62_id_ecPublicKey || kind == NID_rsaEncryption;
  if (!plain || EVP_PKEY_get_base_id(key) != kind) return nullptr;
  if (digest == NID_sha256) return "SHA256";
  if (digest == NID_sha384) return "SHA384";
  return digest == NID_sha512 ? "SHA512" : nullptr;
}

// What is signed of a certificate: TBSCertificate as it came.
DerSpan signed_part(const Certificate& certificate) {
  DerReader outer(certificate.der());
  const auto content = outer.take(DerTag::sequence);
  return content ? DerReader(*content).take_whole(DerTag::sequence).value_or(DerSpan()) : DerSpan();
}

bool is_signed_by(const Certificate& certificate, const X509* parsed, X509* issuer) {
  EVP_PKEY* key = X509_get0_pubkey(issuer);
  if (key == nullptr) return false;
  const char* digest = digest_of(parsed, key);
  const DerSpan content = signed_part(certificate);
  const ASN1_BIT_STRING* signature = nullptr;
  X509_get0_signature(&signature, nullptr, parsed);
  const MdCtxPtr context(EVP_MD_CTX_new());
  if (digest == nullptr || content.empty() || !context) return false;
  return EVP_DigestVerifyInit_ex(context.get(), nullptr, digest, nullptr, nullptr, key, nullptr) == 1 &&
         EVP_DigestVerify(context.get(), ASN1_STRING_get0_data(signature),
                          static_cast<std::size_t>(ASN1_STRING_length(signature)),
                          reinterpret_cast<const unsigned char*>(content.data()), content.size()) == 1;
}

bool is_valid(const Certificate& certificate, WallTime at) {
  return certificate.not_before() <= at && at < certificate.not_after();
}

bool check(const std::vector<Certificate>& chain, const Certificate& authority, WallTime at) {
  X509* subject = chain.front().x509_without_key();
  if (!is_plain(subject) || !is_valid(authority, at)) return false;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (!is_valid(chain[i], at)) return false;
    // Has i authorities between itself and the leaf.
    X509* issuer = (i + 1 < chain.size() ? chain[i + 1] : authority).x509();
    if (issuer == nullptr || !is_plain(issuer) || !is_authority(issuer, static_cast<long>(i))) return false;
    if (X509_check_issued(issuer, subject) != X509_V_OK || !is_signed_by(chain[i], subject, issuer)) {
      return false;
    }
    subject = issuer;
  }
  return true;
}

}  // namespace

bool is_usual_path(const std::vector<Certificate>& chain, const Certificate& authority, WallTime at) {
  const bool good = check(chain, authority, at);
  ERR_clear_error();
  return good;
}

}  // namespace spiffe::identity
