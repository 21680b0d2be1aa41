#include "identity/jws.hh"

#include <array>
#include <optional>
#include <vector>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/base64.hh"
#include "base/openssl.hh"
#include "base/text.hh"
#include "identity/json.hh"
#include "identity/refusal.hh"

namespace spiffe::identity {

namespace {

using nlohmann::json;
using Kind = JwtAuthority::Kind;
using DigestPtr = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using SignaturePtr = Owned<ECDSA_SIG, ECDSA_SIG_free>;
using BignumPtr = Owned<BIGNUM, BN_free>;

constexpr std::size_t kMaxToken = 256UL * 1024;  // bytes; HTTP headers hold only some 8 KiB
constexpr std::size_t kMaxHeader = 16UL * 1024;

struct Algorithm {
  std::string_view name;
  JwsAlgorithm algorithm;
  Kind kind;
  const EVP_MD* (*digest)();
  bool pss = false;
  std::size_t half = 0;  // ECDSA: bytes of r, and of s
};

using enum JwsAlgorithm;

// In the order of the enum.
constexpr std::array kAlgorithms = {
    Algorithm{"RS256", rs256, Kind::rsa, EVP_sha256},
    Algorithm{"RS384", rs384, Kind::rsa, EVP_sha384},
    Algorithm{"RS512", rs512, Kind::rsa, EVP_sha512},
    Algorithm{"ES256", es256, Kind::p256, EVP_sha256, false, 32},
    Algorithm{"ES384", es384, Kind::p384, EVP_sha384, false, 48},
    Algorithm{"ES512", es512, Kind::p521, EVP_sha512, false, 66},
    Algorithm{"PS256", ps256, Kind::rsa, EVP_sha256, true},
    Algorithm{"PS384", ps384, Kind::rsa, EVP_sha384, true},
    Algorithm{"PS512", ps512, Kind::rsa, EVP_sha512, true},
};

const Algorithm& properties(JwsAlgorithm algorithm) {
  return kAlgorithms[static_cast<std::size_t>(algorithm)];
}

Result<JwsAlgorithm> read_algorithm(const json& header) {
  const std::string* name = string_member(header, "alg");
  if (name == nullptr) return refuse("the token's header has no alg");
  for (const Algorithm& each : kAlgorithms) {
    if (each.name == *name) return each.algorithm;
  }
  if (lower(*name) == "none") return refuse("the token's alg is " + shown(*name) + ": it is not signed");
  if (name->starts_with("HS")) {
    return refuse("the token's alg is " + shown(*name) +
                  ": a shared secret, which whoever verifies tokens could sign with");
  }
  return refuse("the token's alg " + shown(*name) + " is none of RS, ES or PS with 256, 384 or 512");
}

Result<void> check_header(const json& header) {
  if (header.contains("crit"))
    return refuse("the token's header has crit: extensions that nobody here knows");
  const auto type = header.find("typ");
  if (type == header.end() || *type == "JWT" || *type == "JOSE") return {};
  const std::string* name = string_member(header, "typ");
  return refuse("the token's typ is " + (name != nullptr ? shown(*name) : std::string("no string")) +
                ", not JWT or JOSE");
}

Result<void> read_header(std::string_view part, Jws& jws) {
  const auto text = base64url_decode(part);
  if (!text) return refuse("the token's header is not base64url");
  const auto header = parse_json(text->text(), kMaxHeader);
  if (!header) return fail(context("the token's header", header.error()));
  if (!header->is_object()) return refuse("the token's header is not a JSON object");
  const auto algorithm = read_algorithm(*header);
  if (!algorithm) return fail(algorithm.error());
  jws.algorithm = *algorithm;
  if (auto checked = check_header(*header); !checked) return checked;
  if (!header->contains("kid")) return {};
  const std::string* key_id = string_member(*header, "kid");
  if (key_id == nullptr) return refuse("the token's kid is not a string");
  jws.key_id = *key_id;
  return {};
}

// OpenSSL expects r and s in DER.
std::vector<unsigned char> der_signature(const SecretBytes& raw, std::size_t half) {
  BignumPtr r(BN_bin2bn(raw.uchars(), static_cast<int>(half), nullptr));
  BignumPtr s(BN_bin2bn(raw.uchars() + half, static_cast<int>(half), nullptr));
  const SignaturePtr signature(ECDSA_SIG_new());
  if (!r || !s || !signature) return {};
  ECDSA_SIG_set0(signature.get(), r.release(), s.release());
  const int size = i2d_ECDSA_SIG(signature.get(), nullptr);
  if (size <= 0) return {};
  std::vector<unsigned char> der(static_cast<std::size_t>(size));
  unsigned char* out = der.data();
  i2d_ECDSA_SIG(signature.get(), &out);
  return der;
}

bool verifies(EVP_PKEY* key, const Algorithm& algorithm, std::string_view text,
              std::span<const unsigned char> signature) {
  const DigestPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // owned by `context`
  bool good = EVP_DigestVerifyInit(context.get(), &options, algorithm.digest(), nullptr, key) == 1;
  if (good && algorithm.pss) {
    // RFC 7518, section 3.5: MGF1 with the same digest (OpenSSL's default); the salt is as long as the
    // digest.
    good = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  good = good && EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                  reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  static_cast<void>(take_openssl_error());
  return good;
}

}  // namespace

Result<Jws> Jws::parse(std::string_view token) {
  if (token.empty()) return refuse("the token is empty");
  if (token.size() > kMaxToken) {
    return refuse("the token has " + std::to_string(token.size()) + " bytes, more than " +
                  std::to_string(kMaxToken));
  }
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (first == last || token.find('.', first + 1) != last) {
    return refuse("the token is not three parts with dots between them");
  }
  Jws jws;
  if (auto read = read_header(token.substr(0, first), jws); !read) return fail(read.error());
  auto payload = base64url_decode(token.substr(first + 1, last - first - 1));
  if (!payload) return refuse("the token's payload is not base64url");
  auto signature = base64url_decode(token.substr(last + 1));
  if (!signature) return refuse("the token's signature is not base64url");
  if (signature->empty()) return refuse("the token has no signature");
  jws.payload = *std::move(payload);
  jws.signature = *std::move(signature);
  jws.signed_text = token.substr(0, last);
  return jws;
}

Result<void> Jws::verify(const JwtAuthority& authority) const {
  const Algorithm& used = properties(algorithm);
  if (authority.kind() != used.kind) {
    return refuse("the token's alg " + std::string(used.name) + " does not go with a key of kind " +
                  std::string(kind_name(authority.kind())));
  }
  if (authority.key() == nullptr) return refuse("OpenSSL does not take the authority's key");
  const bool ecdsa = used.half != 0;
  if (ecdsa && signature.size() != 2 * used.half) {
    return refuse("the token's signature has " + std::to_string(signature.size()) + " bytes, not the " +
                  std::to_string(2 * used.half) + " of " + std::string(used.name));
  }
  std::vector<unsigned char> der;
  if (ecdsa) der = der_signature(signature, used.half);
  const auto bytes = ecdsa ? std::span<const unsigned char>(der)
                           : std::span<const unsigned char>(signature.uchars(), signature.size());
  if (!verifies(authority.key(), used, signed_text, bytes)) return refuse("the token's signature is wrong");
  return {};
}

std::string_view algorithm_name(JwsAlgorithm algorithm) {
  return properties(algorithm).name;
}

}  // namespace spiffe::identity
