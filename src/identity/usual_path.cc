#include "identity/usual_path.hh"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <span>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "identity/der.hh"
#include "identity/ec_group.hh"

namespace spiffe::identity {

namespace {

using MdCtxPtr = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using PointPtr = Owned<EC_POINT, EC_POINT_free>;

constexpr std::size_t kMostCertificates = 10;  // well below OpenSSL's own limit, which is above 100

// Extensions that do not affect a path, or that are checked here.
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

// Whether `certificate` may be a CA with `below` other authorities between it and the leaf.
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

struct Signed {
  DerSpan content;  // the TBSCertificate as received
  DerSpan signature;
};

// nullopt if the signature is not a whole number of bytes.
std::optional<Signed> signed_parts(const Certificate& certificate) {
  DerReader outer(certificate.der());
  const auto fields = outer.take(DerTag::sequence);
  if (!fields) return std::nullopt;
  DerReader reader(*fields);
  const auto content = reader.take_whole(DerTag::sequence);
  const auto algorithm = reader.take(DerTag::sequence);
  const auto bits = reader.take(DerTag::bit_string);
  if (!content || !algorithm || !bits || bits->empty() || bits->front() != std::byte{0}) return std::nullopt;
  return Signed{*content, bits->subspan(1)};
}

bool is_signed_by(const Certificate& certificate, const X509* parsed, X509* issuer) {
  EVP_PKEY* key = X509_get0_pubkey(issuer);
  if (key == nullptr) return false;
  const char* digest = digest_of(parsed, key);
  const auto parts = signed_parts(certificate);
  const MdCtxPtr context(EVP_MD_CTX_new());
  if (digest == nullptr || !parts || !context) return false;
  const auto uchars = [](DerSpan span) { return reinterpret_cast<const unsigned char*>(span.data()); };
  return EVP_DigestVerifyInit_ex(context.get(), nullptr, digest, nullptr, nullptr, key, nullptr) == 1 &&
         EVP_DigestVerify(context.get(), uchars(parts->signature), parts->signature.size(),
                          uchars(parts->content), parts->content.size()) == 1;
}

// A public key as encoded in its certificate.
struct PublicKey {
  explicit PublicKey(const X509* certificate) {
    ASN1_OBJECT* object = nullptr;
    X509_ALGOR* identifier = nullptr;
    X509_PUBKEY_get0_param(&object, &data, &size, &identifier, X509_get_X509_PUBKEY(certificate));
    ec = OBJ_obj2nid(object) == NID_X9_62_id_ecPublicKey;
    curve = named_curve(identifier);
  }

  bool ec = false;
  int curve = NID_undef;  // NID_undef if not a named curve
  const unsigned char* data = nullptr;
  int size = 0;
};

// Whether the parameters of an elliptic curve are written out instead of named: OpenSSL accepts no path with
// such a key.
bool has_unnamed_curve(const X509* certificate) {
  const PublicKey key(certificate);
  return key.ec && key.curve == NID_undef;
}

// Whether the leaf's key can be decoded: X509_verify_cert requires it, although the key is not used. Keys on
// a named curve are checked without OpenSSL's slow decoder.
bool has_key(const Certificate& leaf) {
  const PublicKey key(leaf.x509_without_key());
  const EC_GROUP* group = key.ec ? ec_group(key.curve) : nullptr;
  if (group == nullptr) return leaf.x509() != nullptr && X509_get0_pubkey(leaf.x509()) != nullptr;
  const PointPtr point(EC_POINT_new(group));
  return point && key.size > 1 &&
         EC_POINT_oct2point(group, point.get(), key.data, static_cast<std::size_t>(key.size), nullptr) == 1;
}

// Compares as X509_verify_cert does: RFC 5280 allows two forms of a date, ASN.1 several more.
bool is_valid(const X509* certificate, std::time_t at) {
  return X509_cmp_time(X509_get0_notBefore(certificate), &at) < 0 &&
         X509_cmp_time(X509_get0_notAfter(certificate), &at) > 0;
}

// Whether no two certificates of the path have the same subject. OpenSSL finds issuers by name, trusted ones
// first. If a name occurs twice (for example in a self-issued certificate), it may build another path than
// the one checked here, and refuse it.
bool names_differ(const std::vector<Certificate>& chain, const Certificate& authority) {
  std::vector<const X509_NAME*> names = {X509_get_subject_name(authority.x509())};
  for (const Certificate& certificate : chain) {
    const X509* parsed = certificate.x509_without_key();
    if (parsed == nullptr) return false;
    const X509_NAME* name = X509_get_subject_name(parsed);
    const auto same = [name](const X509_NAME* other) { return X509_NAME_cmp(name, other) == 0; };
    if (std::ranges::any_of(names, same)) return false;
    names.push_back(name);
  }
  return true;
}

bool check(const std::vector<Certificate>& chain, const Certificate& authority, std::time_t at) {
  X509* subject = chain.front().x509_without_key();
  if (authority.x509() == nullptr || !names_differ(chain, authority)) return false;
  if (!is_plain(subject) || has_unnamed_curve(subject) || !is_valid(subject, at)) return false;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    // The number of authorities between this issuer and the leaf is i.
    X509* issuer = (i + 1 < chain.size() ? chain[i + 1] : authority).x509();
    if (issuer == nullptr || !is_plain(issuer) || !is_authority(issuer, static_cast<long>(i))) return false;
    if (has_unnamed_curve(issuer) || !is_valid(issuer, at)) return false;
    if (X509_check_issued(issuer, subject) != X509_V_OK || !is_signed_by(chain[i], subject, issuer)) {
      return false;
    }
    subject = issuer;
  }
  return has_key(chain.front());
}

}  // namespace

bool is_usual_path(const std::vector<Certificate>& chain, const Certificate& authority, WallTime at) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  const bool good = chain.size() <= kMostCertificates &&
                    check(chain, authority, std::chrono::system_clock::to_time_t(seconds));
  ERR_clear_error();
  return good;
}

}  // namespace spiffe::identity
