#include "identity/private_key.hh"

#include <algorithm>
#include <array>
#include <optional>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "base/openssl.hh"
#include "base/secret.hh"
#include "identity/der.hh"
#include "identity/ec_group.hh"
#include "identity/refusal.hh"

namespace spiffe::identity {

namespace {

using BnPtr = Owned<BIGNUM, BN_clear_free>;
using BnCtxPtr = Owned<BN_CTX, BN_CTX_free>;
using PointPtr = Owned<EC_POINT, EC_POINT_free>;

// A key of either half: its algorithm, its named curve if it has one, and the encoded numbers.
struct KeyParts {
  int algorithm = NID_undef;
  const X509_ALGOR* identifier = nullptr;
  DerSpan encoded;
};

std::unexpected<Error> malformed(std::string_view kind) {
  return refuse("the private key is not a well-formed " + std::string(kind) + " key");
}

std::unexpected<Error> mismatch() {
  return refuse("the private key does not belong to the leaf certificate");
}

std::string algorithm_name(const ASN1_OBJECT* object) {
  const int nid = OBJ_obj2nid(object);
  if (nid != NID_undef) return OBJ_nid2ln(nid);
  std::array<char, 80> dotted{};
  OBJ_obj2txt(dotted.data(), static_cast<int>(dotted.size()), object, 1);
  return dotted.data();
}

DerSpan as_span(const unsigned char* data, int size) {
  return std::as_bytes(std::span(data, static_cast<std::size_t>(std::max(size, 0))));
}

KeyParts parts_of(const ASN1_OBJECT* algorithm, const X509_ALGOR* identifier, const unsigned char* data,
                  int size) {
  return {OBJ_obj2nid(algorithm), identifier, as_span(data, size)};
}

// The content of a non-negative INTEGER as a number.
BnPtr to_number(std::optional<DerSpan> content) {
  constexpr std::size_t kMaxBytes = 2049;  // RSA-16384: a longer number would only waste time
  if (!content || content->empty() || content->size() > kMaxBytes ||
      (content->front() & std::byte{0x80}) != std::byte{0})
    return nullptr;
  return BnPtr(BN_bin2bn(reinterpret_cast<const unsigned char*>(content->data()),
                         static_cast<int>(content->size()), nullptr));
}

// RFC 5915's ECPrivateKey.
struct EcPrivateKey {
  DerSpan scalar;
  std::optional<DerSpan> point;  // the public half that the file states
};

std::optional<EcPrivateKey> parse_ec(DerSpan der) {
  DerReader outer(der);
  const auto content = outer.take(DerTag::sequence);
  if (!content || !outer.at_end()) return std::nullopt;
  DerReader reader(*content);
  const auto version = reader.take(DerTag::integer);
  if (!version || version->size() != 1 || version->front() != std::byte{1}) return std::nullopt;
  const auto scalar = reader.take(DerTag::octet_string);
  if (!scalar) return std::nullopt;
  EcPrivateKey key{*scalar, std::nullopt};
  if (reader.next_is(DerTag::context_0) && !reader.take(DerTag::context_0)) return std::nullopt;
  if (reader.next_is(DerTag::context_1)) {
    const auto wrapped = reader.take(DerTag::context_1);
    if (!wrapped) return std::nullopt;
    DerReader inner(*wrapped);
    const auto bits = inner.take(DerTag::bit_string);
    if (!bits || !inner.at_end() || bits->empty() || bits->front() != std::byte{0}) return std::nullopt;
    key.point = bits->subspan(1);
  }
  if (!reader.at_end()) return std::nullopt;
  return key;
}

// A point in either encoding. Both share X. Computing either costs an inversion, so it is done once.
class EncodedPoint {
 public:
  EncodedPoint(const EC_GROUP* group, const EC_POINT* point, BN_CTX* scratch)
      : size_(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, bytes_.data(), bytes_.size(),
                                 scratch)) {}

  [[nodiscard]] bool is(DerSpan encoded) const {
    if (size_ == 0 || encoded.empty()) return false;
    const DerSpan whole = std::as_bytes(std::span(bytes_).first(size_));
    if (encoded.front() == whole.front()) return std::ranges::equal(encoded, whole);
    // SEC 1, section 2.3.3: the first byte of the short form is 2, or 3 if Y is odd.
    const std::byte sign = std::byte{2} | (whole.back() & std::byte{1});
    return encoded.front() == sign &&
           std::ranges::equal(encoded.subspan(1), whole.subspan(1, (size_ - 1) / 2));
  }

 private:
  std::array<unsigned char, 133> bytes_{};  // P-521
  std::size_t size_;
};

Result<void> check_ec(const KeyParts& secret, const KeyParts& leaf) {
  const int nid = named_curve(secret.identifier);
  const EC_GROUP* group = ec_group(nid);
  if (group == nullptr) {
    return refuse("the private key is on the curve " +
                  (nid == NID_undef ? std::string("of its own parameters") : std::string(OBJ_nid2sn(nid))) +
                  ", not P-256, P-384 or P-521");
  }
  const auto key = parse_ec(secret.encoded);
  if (!key) return malformed("EC");
  if (named_curve(leaf.identifier) != nid) return mismatch();
  const BnCtxPtr scratch(BN_CTX_secure_new());
  const BnPtr scalar(BN_secure_new());
  const PointPtr point(EC_POINT_new(group));
  if (!scratch || !scalar || !point) return refuse("out of memory");
  const auto* raw = reinterpret_cast<const unsigned char*>(key->scalar.data());
  BN_set_flags(scalar.get(), BN_FLG_CONSTTIME);
  if (BN_bin2bn(raw, static_cast<int>(key->scalar.size()), scalar.get()) == nullptr ||
      BN_is_zero(scalar.get()) == 1 || BN_cmp(scalar.get(), EC_GROUP_get0_order(group)) >= 0) {
    return malformed("EC");
  }
  if (EC_POINT_mul(group, point.get(), scalar.get(), nullptr, nullptr, scratch.get()) != 1) {
    return malformed("EC");
  }
  const EncodedPoint encoded(group, point.get(), scratch.get());
  if (!encoded.is(leaf.encoded)) return mismatch();
  // A program that uses the stated public half would present another key than the certificate's.
  if (key->point && !encoded.is(*key->point)) {
    return refuse("the public half inside the private key is not that of the key");
  }
  return {};
}

Result<void> check_ed25519(const KeyParts& secret, const KeyParts& leaf) {
  DerReader reader(secret.encoded);
  const auto seed = reader.take(DerTag::octet_string);
  if (!seed || !reader.at_end() || seed->size() != 32) return malformed("Ed25519");
  const PkeyPtr key(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed->data()), seed->size()));
  std::array<unsigned char, 32> derived{};
  std::size_t size = derived.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), derived.data(), &size) != 1) return malformed("Ed25519");
  return std::ranges::equal(std::as_bytes(std::span(derived)), leaf.encoded) ? Result<void>() : mismatch();
}

// The numbers of an RSAPrivateKey in the order of RFC 8017: n, e, d, p, q, d mod p-1, d mod q-1, 1/q mod p.
enum RsaNumber : std::size_t { kN, kE, kD, kP, kQ, kDp, kDq, kQinv, kRsaNumbers };
using RsaNumbers = std::array<BnPtr, kRsaNumbers>;

// Parses a SEQUENCE of exactly `count` numbers (preceded by a version 0 if `version`).
bool parse_rsa(DerSpan der, bool version, std::size_t count, RsaNumbers& numbers) {
  DerReader outer(der);
  const auto content = outer.take(DerTag::sequence);
  if (!content || !outer.at_end()) return false;
  DerReader reader(*content);
  if (version) {
    const auto zero = reader.take(DerTag::integer);
    if (!zero || zero->size() != 1 || zero->front() != std::byte{0}) return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = to_number(reader.take(DerTag::integer));
    if (!numbers[i] || BN_is_zero(numbers[i].get()) == 1) return false;
  }
  return reader.at_end();
}

// Whether a * b = 1 (mod m).
bool inverse(const BIGNUM* a, const BIGNUM* b, const BIGNUM* m, BN_CTX* scratch) {
  const BnPtr product(BN_new());
  return product && BN_mod_mul(product.get(), a, b, m, scratch) == 1 && BN_is_one(product.get()) == 1;
}

// Whether the private numbers are the inverse of (n, e). That p and q are prime is not checked; this relies
// on the creator of the key.
bool consistent(const RsaNumbers& k, BN_CTX* scratch) {
  const BnPtr product(BN_new());
  const BnPtr p1(BN_dup(k[kP].get()));
  const BnPtr q1(BN_dup(k[kQ].get()));
  if (!product || !p1 || !q1 || BN_is_one(p1.get()) == 1 || BN_is_one(q1.get()) == 1) return false;
  if (BN_mul(product.get(), k[kP].get(), k[kQ].get(), scratch) != 1) return false;
  if (BN_cmp(product.get(), k[kN].get()) != 0) return false;
  if (BN_sub_word(p1.get(), 1) != 1 || BN_sub_word(q1.get(), 1) != 1) return false;
  return inverse(k[kE].get(), k[kD].get(), p1.get(), scratch) &&
         inverse(k[kE].get(), k[kD].get(), q1.get(), scratch) &&
         inverse(k[kE].get(), k[kDp].get(), p1.get(), scratch) &&
         inverse(k[kE].get(), k[kDq].get(), q1.get(), scratch) &&
         inverse(k[kQ].get(), k[kQinv].get(), k[kP].get(), scratch);
}

Result<void> check_rsa(const KeyParts& secret, const KeyParts& leaf) {
  RsaNumbers key;
  RsaNumbers of_leaf;
  if (!parse_rsa(secret.encoded, true, kRsaNumbers, key)) return malformed("RSA");
  if (!parse_rsa(leaf.encoded, false, kE + 1, of_leaf)) {
    return refuse("the leaf's public key is not a well-formed RSA key");
  }
  if (BN_cmp(key[kN].get(), of_leaf[kN].get()) != 0 || BN_cmp(key[kE].get(), of_leaf[kE].get()) != 0) {
    return mismatch();
  }
  const BnCtxPtr scratch(BN_CTX_new());
  if (!scratch) return refuse("out of memory");
  return consistent(key, scratch.get()) ? Result<void>() : malformed("RSA");
}

// Why `der` is not a PKCS#8 key, judged by its first two elements.
std::string_view not_pkcs8(DerSpan der) {
  DerReader outer(der);
  const auto content = outer.take(DerTag::sequence);
  if (!content) return "the private key is not PKCS#8 DER";
  if (!outer.at_end()) return "bytes follow the private key";
  DerReader reader(*content);
  if (reader.next_is(DerTag::sequence)) return "the private key is encrypted";
  if (!reader.take(DerTag::integer)) return "the private key is not PKCS#8 DER";
  if (reader.next_is(DerTag::integer)) return "the private key is PKCS#1 (RSA), not PKCS#8";
  if (reader.next_is(DerTag::octet_string)) return "the private key is SEC 1 (EC), not PKCS#8";
  return "the private key is not PKCS#8 DER";
}

Pkcs8Ptr decode(DerSpan der) {
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = in + der.size();
  Pkcs8Ptr info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &in, static_cast<long>(der.size())));
  ERR_clear_error();
  return in == end ? std::move(info) : nullptr;
}

}  // namespace

Result<void> check_private_key(std::span<const std::byte> pkcs8, const X509* leaf) {
  const Pkcs8Ptr info = decode(pkcs8);
  if (!info) return refuse(std::string(not_pkcs8(pkcs8)));
  const ASN1_OBJECT* object = nullptr;
  const X509_ALGOR* identifier = nullptr;
  const unsigned char* data = nullptr;
  int size = 0;
  PKCS8_pkey_get0(&object, &data, &size, &identifier, info.get());
  const KeyParts secret = parts_of(object, identifier, data, size);

  ASN1_OBJECT* leaf_object = nullptr;
  X509_ALGOR* leaf_identifier = nullptr;
  X509_PUBKEY_get0_param(&leaf_object, &data, &size, &leaf_identifier, X509_get_X509_PUBKEY(leaf));
  const KeyParts of_leaf = parts_of(leaf_object, leaf_identifier, data, size);

  const bool accepted = secret.algorithm == NID_rsaEncryption || secret.algorithm == NID_ED25519 ||
                        secret.algorithm == NID_X9_62_id_ecPublicKey;
  if (!accepted) {
    return refuse("the private key is of the kind " + algorithm_name(object) + ", not RSA, EC or Ed25519");
  }
  if (secret.algorithm != of_leaf.algorithm) return mismatch();
  if (secret.algorithm == NID_rsaEncryption) return check_rsa(secret, of_leaf);
  if (secret.algorithm == NID_ED25519) return check_ed25519(secret, of_leaf);
  return check_ec(secret, of_leaf);
}

}  // namespace spiffe::identity
