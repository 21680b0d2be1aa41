// A public key that signs JWT-SVIDs of its trust domain: a JWK, RFC 7517 and RFC 7518 section 6. Pure.
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/openssl.hh"
#include "base/result.hh"

namespace spiffe::identity {

// RSA of 2048 to 16384 bits, or EC on P-256, P-384, P-521. Immutable; copies share the key. Any thread.
class JwtAuthority {
 public:
  // What kind of key it is: "RSA", "P-256", "P-384", "P-521".
  enum class Kind { rsa, p256, p384, p521 };

  // `jwk` is parsed JSON. The error (kind verification) states what is missing or wrong in this JWK. If the
  // JWK has x5c, its first certificate must have the same key (RFC 7517, section 4.7).
  static Result<JwtAuthority> from(const nlohmann::json& jwk);

  [[nodiscard]] const std::string& key_id() const;
  [[nodiscard]] Kind kind() const;
  // Built on the first call, once: bundles of thousands of domains keep only the numbers. Owned by this
  // object; null if OpenSSL refuses the numbers.
  [[nodiscard]] EVP_PKEY* key() const;
  // The JWK with only kty, kid and the numbers, in the form that Go programs write.
  [[nodiscard]] std::string jwk() const;

 private:
  struct State;
  explicit JwtAuthority(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

[[nodiscard]] std::string_view kind_name(JwtAuthority::Kind kind);

}  // namespace spiffe::identity
