#include "identity/jwt_authority.hh"

#include <array>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include "base/base64.hh"
#include "base/go_json.hh"
#include "base/text.hh"
#include "identity/certificate.hh"
#include "identity/ec_group.hh"
#include "identity/json.hh"
#include "identity/refusal.hh"
#include "identity/rsa_size.hh"

namespace spiffe::identity {

namespace {

using nlohmann::json;
using Kind = JwtAuthority::Kind;
using BignumPtr = Owned<BIGNUM, BN_free>;
using PointPtr = Owned<EC_POINT, EC_POINT_free>;
using BuilderPtr = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using ParamsPtr = Owned<OSSL_PARAM, OSSL_PARAM_free>;

constexpr std::size_t kMaxRsaBits = 16384;  // the most that OpenSSL verifies with
constexpr std::size_t kMaxExponentBytes = 8;
constexpr std::size_t kMaxKeyId = 1024;

struct Curve {
  Kind kind;
  int nid;
  const char* openssl_name;
  std::size_t coordinate;  // bytes
};

constexpr std::array kCurves = {Curve{Kind::p256, NID_X9_62_prime256v1, SN_X9_62_prime256v1, 32},
                                Curve{Kind::p384, NID_secp384r1, SN_secp384r1, 48},
                                Curve{Kind::p521, NID_secp521r1, SN_secp521r1, 66}};

const Curve* find_curve(Kind kind) {
  for (const Curve& curve : kCurves) {
    if (curve.kind == kind) return &curve;
  }
  return nullptr;
}

BignumPtr number(std::span<const std::byte> bytes) {
  return BignumPtr(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size()), nullptr));
}

// The base64url member `name`.
Result<Bytes> bytes_member(const json& jwk, const char* name) {
  const std::string* text = string_member(jwk, name);
  if (text == nullptr) return refuse("has no " + std::string(name));
  const auto decoded = base64url_decode(*text);
  if (!decoded || decoded->empty()) return refuse("its " + std::string(name) + " is not base64url");
  return Bytes(decoded->bytes().begin(), decoded->bytes().end());
}

void strip_zeros(Bytes& number) {
  number.erase(number.begin(),
               std::ranges::find_if(number, [](std::byte byte) { return byte != std::byte{0}; }));
}

std::size_t bits(const Bytes& number) {
  return static_cast<std::size_t>(BN_num_bits(spiffe::identity::number(number).get()));
}

}  // namespace

struct JwtAuthority::State {
  std::string key_id;
  Kind kind = Kind::rsa;
  Bytes first;   // n or x
  Bytes second;  // e or y
  mutable std::once_flag built;
  mutable PkeyPtr key;
};

namespace {

struct Numbers {
  Kind kind;
  Bytes first;
  Bytes second;
};

Result<Numbers> read_rsa(const json& jwk) {
  auto modulus = bytes_member(jwk, "n");
  if (!modulus) return fail(modulus.error());
  auto exponent = bytes_member(jwk, "e");
  if (!exponent) return fail(exponent.error());
  strip_zeros(*modulus);
  strip_zeros(*exponent);
  if (const std::size_t size = bits(*modulus); size < kMinRsaBits || size > kMaxRsaBits) {
    return refuse(fmt::format("is an RSA key of {} bits, not of {} to {}", size, kMinRsaBits, kMaxRsaBits));
  }
  const auto odd = [](const Bytes& n) { return !n.empty() && (n.back() & std::byte{1}) != std::byte{0}; };
  if (!odd(*modulus) || !odd(*exponent) || exponent->size() > kMaxExponentBytes || bits(*exponent) < 2) {
    return refuse("is no RSA key: its e or n is impossible");
  }
  return Numbers{Kind::rsa, *std::move(modulus), *std::move(exponent)};
}

Result<Numbers> read_ec(const json& jwk) {
  const std::string* name = string_member(jwk, "crv");
  if (name == nullptr) return refuse("has no crv");
  const Curve* curve = nullptr;
  for (const Curve& each : kCurves) {
    if (kind_name(each.kind) == *name) curve = &each;
  }
  if (curve == nullptr) return refuse("is on the curve " + shown(*name) + ", not P-256, P-384 or P-521");
  auto x = bytes_member(jwk, "x");
  if (!x) return fail(x.error());
  auto y = bytes_member(jwk, "y");
  if (!y) return fail(y.error());
  if (x->size() != curve->coordinate || y->size() != curve->coordinate) {
    return refuse(
        fmt::format("its x and y have {} and {} bytes, not {}", x->size(), y->size(), curve->coordinate));
  }
  const EC_GROUP* group = ec_group(curve->nid);
  const PointPtr point(EC_POINT_new(group));
  if (EC_POINT_set_affine_coordinates(group, point.get(), number(*x).get(), number(*y).get(), nullptr) != 1) {
    static_cast<void>(take_openssl_error());
    return refuse("its point is not on " + *name);
  }
  return Numbers{curve->kind, *std::move(x), *std::move(y)};
}

Result<Numbers> read_numbers(const json& jwk) {
  const std::string* type = string_member(jwk, "kty");
  if (type == nullptr) return refuse("has no kty");
  if (jwk.contains("d") || jwk.contains("k")) return refuse("holds a private or symmetric key");
  if (*type == "RSA") return read_rsa(jwk);
  if (*type == "EC") return read_ec(jwk);
  return refuse("its kty is " + shown(*type) + ", not RSA or EC");
}

PkeyPtr build(Kind kind, const Bytes& first, const Bytes& second) {
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  const BignumPtr n = number(first);
  const BignumPtr e = number(second);
  Bytes point = {std::byte{4}};
  const bool rsa = kind == Kind::rsa;
  bool good = true;
  if (rsa) {
    good = OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1;
  } else {
    point.insert(point.end(), first.begin(), first.end());
    point.insert(point.end(), second.begin(), second.end());
    good = OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                           find_curve(kind)->openssl_name, 0) == 1 &&
           OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                            point.size()) == 1;
  }
  const ParamsPtr params(good ? OSSL_PARAM_BLD_to_param(builder.get()) : nullptr);
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_name(nullptr, rsa ? "RSA" : "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    static_cast<void>(take_openssl_error());
    return nullptr;
  }
  return PkeyPtr(key);
}

// RFC 7517, section 4.7: the first certificate of x5c must have this key.
Result<void> check_certificate(const json& x5c, EVP_PKEY* key) {
  if (!x5c.is_array() || x5c.empty() || !x5c.front().is_string())
    return refuse("its x5c holds no certificate");
  const auto der = base64_decode(x5c.front().get_ref<const std::string&>());
  if (!der) return refuse("its x5c is not base64");
  const auto certificate = Certificate::parse(der->bytes());
  if (!certificate) return fail(context("x5c", certificate.error()));
  const EVP_PKEY* certified =
      certificate->x509() != nullptr ? X509_get0_pubkey(certificate->x509()) : nullptr;
  const bool same = certified != nullptr && key != nullptr && EVP_PKEY_eq(certified, key) == 1;
  static_cast<void>(take_openssl_error());
  if (!same) return refuse("its key is not that of its x5c");
  return {};
}

}  // namespace

Result<JwtAuthority> JwtAuthority::from(const json& jwk) {
  const std::string* key_id = string_member(jwk, "kid");
  if (key_id == nullptr || key_id->empty()) return refuse("has no kid");
  if (key_id->size() > kMaxKeyId) return refuse("has a kid of " + std::to_string(key_id->size()) + " bytes");
  auto numbers = read_numbers(jwk);
  if (!numbers) return fail(numbers.error());
  auto state = std::make_shared<State>();
  state->key_id = *key_id;
  state->kind = numbers->kind;
  state->first = std::move(numbers->first);
  state->second = std::move(numbers->second);
  JwtAuthority authority(std::move(state));
  if (const auto x5c = jwk.find("x5c"); x5c != jwk.end()) {
    if (auto checked = check_certificate(*x5c, authority.key()); !checked) return fail(checked.error());
  }
  return authority;
}

const std::string& JwtAuthority::key_id() const {
  return state_->key_id;
}

Kind JwtAuthority::kind() const {
  return state_->kind;
}

EVP_PKEY* JwtAuthority::key() const {
  std::call_once(state_->built, [this] { state_->key = build(state_->kind, state_->first, state_->second); });
  return state_->key.get();
}

std::string JwtAuthority::jwk() const {
  const bool rsa = state_->kind == Kind::rsa;
  const std::string first = base64url_encode(state_->first);
  const std::string second = base64url_encode(state_->second);
  std::string id;
  append_go_json(id, state_->key_id, GoJson::jose);
  if (rsa) return fmt::format(R"({{"kty":"RSA","kid":{},"n":"{}","e":"{}"}})", id, first, second);
  return fmt::format(R"({{"kty":"EC","kid":{},"crv":"{}","x":"{}","y":"{}"}})", id, kind_name(state_->kind),
                     first, second);
}

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::p256:
      return "P-256";
    case Kind::p384:
      return "P-384";
    case Kind::p521:
      return "P-521";
    case Kind::rsa:
      break;
  }
  return "RSA";
}

}  // namespace spiffe::identity
