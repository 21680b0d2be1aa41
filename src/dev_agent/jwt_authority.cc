#include "dev_agent/jwt_authority.hh"

#include <algorithm>
#include <array>
#include <optional>

#include <nlohmann/json.hpp>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rand.h>

#include "base/base64.hh"
#include "dev_agent/key.hh"
#include "identity/json.hh"

namespace spiffe::dev_agent {

namespace {

using nlohmann::json;
using DigestPtr = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using SignaturePtr = Owned<ECDSA_SIG, ECDSA_SIG_free>;
using BignumPtr = Owned<BIGNUM, BN_free>;

constexpr std::size_t kCoordinate = 32;  // bytes of a P-256 coordinate

std::int64_t unix_seconds(WallTime t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

std::string fixed_width(const BIGNUM* number) {
  std::string out(kCoordinate, '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(kCoordinate));
  return out;
}

const unsigned char* uchars(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A JWS has r and s concatenated; OpenSSL uses DER.
std::string raw_signature(std::string_view der) {
  const unsigned char* p = uchars(der);
  const SignaturePtr signature(d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(der.size())));
  if (!signature) return {};
  return fixed_width(ECDSA_SIG_get0_r(signature.get())) + fixed_width(ECDSA_SIG_get0_s(signature.get()));
}

std::string der_signature(std::string_view raw) {
  if (raw.size() != 2 * kCoordinate) return {};
  const SignaturePtr signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(uchars(raw), kCoordinate, nullptr),
                 BN_bin2bn(uchars(raw) + kCoordinate, kCoordinate, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size < 0) return {};
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

Result<std::string> es256(EVP_PKEY* key, std::string_view text) {
  const DigestPtr context(EVP_MD_CTX_new());
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, uchars(text), text.size()) != 1) {
    return fail("sign a token: " + take_openssl_error());
  }
  std::string der(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, uchars(text),
                     text.size()) != 1) {
    return fail("sign a token: " + take_openssl_error());
  }
  der.resize(size);
  return raw_signature(der);
}

bool verifies(EVP_PKEY* key, std::string_view text, std::string_view raw) {
  const std::string der = der_signature(raw);
  const DigestPtr context(EVP_MD_CTX_new());
  const bool good = EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_DigestVerify(context.get(), uchars(der), der.size(), uchars(text), text.size()) == 1;
  if (!good) static_cast<void>(take_openssl_error());
  return good;
}

std::string coordinate(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, name, &number);
  const BignumPtr owned(number);
  return owned ? base64url_encode(fixed_width(owned.get())) : "";
}

std::optional<json> decode_part(std::string_view part) {
  const auto text = base64url_decode(part);
  if (!text) return std::nullopt;
  auto value = identity::parse_json(text->text(), text->size());
  if (!value || !value->is_object()) return std::nullopt;
  return *std::move(value);
}

std::string string_member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Result<> check_claims(const json& claims, const std::string& audience) {
  const auto exp = claims.find("exp");
  if (exp == claims.end() || !exp->is_number()) return fail("token has no exp");
  if (exp->get<double>() <= static_cast<double>(unix_seconds(wall_now()))) return fail("token has expired");
  const auto aud = claims.find("aud");
  const bool meant =
      aud != claims.end() &&
      (aud->is_array() ? std::ranges::find(*aud, json(audience)) != aud->end() : *aud == json(audience));
  if (!meant) return fail("token is for another audience");
  if (string_member(claims, "sub").empty()) return fail("token has no sub");
  return {};
}

}  // namespace

Result<JwtAuthority> JwtAuthority::create() {
  JwtAuthority authority;
  if (auto made = authority.rotate(); !made) return fail(made.error());
  return authority;
}

Result<> JwtAuthority::rotate() {
  auto key = make_key(KeyType::ec_p256);
  if (!key) return fail(key.error());
  std::array<unsigned char, 16> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return fail(take_openssl_error());
  const std::string_view bytes(reinterpret_cast<const char*>(random.data()), random.size());
  keys_.push_back({base64url_encode(bytes), *std::move(key)});
  if (keys_.size() > 2) keys_.erase(keys_.begin());
  return {};
}

JwtDraft JwtAuthority::draft(std::string subject, std::vector<std::string> audience,
                             std::chrono::seconds ttl) const {
  const WallTime now = wall_now();
  return {std::move(subject), std::move(audience), now, now + ttl, keys_.back().id};
}

Result<std::string> JwtAuthority::sign(const JwtDraft& draft) const {
  const json header = {{"alg", "ES256"}, {"kid", draft.key_id}, {"typ", "JWT"}};
  const json claims = {{"aud", draft.audience},
                       {"exp", unix_seconds(draft.expires_at)},
                       {"iat", unix_seconds(draft.issued_at)},
                       {"sub", draft.subject}};
  const auto text = [](const json& value) {
    return base64url_encode(value.dump(-1, ' ', false, json::error_handler_t::replace));
  };
  const std::string signing_input = text(header) + "." + text(claims);
  auto signature = es256(keys_.back().key.get(), signing_input);
  if (!signature) return fail(signature.error());
  if (draft.corrupt_signature) signature->back() = static_cast<char>(signature->back() ^ 1);
  return signing_input + "." + base64url_encode(*signature);
}

std::string JwtAuthority::jwks() const {
  json keys = json::array();
  for (const Key& key : keys_) {
    keys.push_back({{"kty", "EC"},
                    {"kid", key.id},
                    {"crv", "P-256"},
                    {"x", coordinate(key.key.get(), OSSL_PKEY_PARAM_EC_PUB_X)},
                    {"y", coordinate(key.key.get(), OSSL_PKEY_PARAM_EC_PUB_Y)}});
  }
  return json{{"keys", std::move(keys)}}.dump();
}

Result<JwtAuthority::Claims> JwtAuthority::validate(std::string_view token,
                                                    const std::string& audience) const {
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (first == last) return fail("token is not a compact JWS");
  const auto header = decode_part(token.substr(0, first));
  const auto claims = decode_part(token.substr(first + 1, last - first - 1));
  const auto signature = base64url_decode(token.substr(last + 1));
  if (!header || !claims || !signature) return fail("token is not a compact JWS");
  const std::string key_id = string_member(*header, "kid");
  const auto key = std::ranges::find(keys_, key_id, &Key::id);
  if (key == keys_.end()) return fail("token is signed by a key that is not ours");
  if (string_member(*header, "alg") != "ES256" ||
      !verifies(key->key.get(), token.substr(0, last), signature->text())) {
    return fail("token has a bad signature");
  }
  if (auto checked = check_claims(*claims, audience); !checked) return fail(checked.error());
  return Claims{string_member(*claims, "sub"), claims->dump()};
}

}  // namespace spiffe::dev_agent
