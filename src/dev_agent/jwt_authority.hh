// The JWT authorities of the trust domain: they sign ES256 tokens and verify them, and have a JWKS.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hh"
#include "base/openssl.hh"
#include "base/result.hh"

namespace spiffe::dev_agent {

// The content of a token. A fault may have spoiled any member.
struct JwtDraft {
  std::string subject;
  std::vector<std::string> audience;
  WallTime issued_at;
  WallTime expires_at;
  std::string key_id;
  bool corrupt_signature = false;
};

class JwtAuthority {
 public:
  static Result<JwtAuthority> create();

  // Adds a key, which signs from now on. The JWKS contains it and the one before.
  Result<> rotate();

  [[nodiscard]] JwtDraft draft(std::string subject, std::vector<std::string> audience,
                               std::chrono::seconds ttl) const;
  [[nodiscard]] Result<std::string> sign(const JwtDraft& draft) const;  // compact JWS
  // The keys as the Workload API serves them: with kid, without use.
  [[nodiscard]] std::string jwks() const;

  struct Claims {
    std::string subject;
    std::string json;  // all claims, one object
  };
  // Checks the signature by one of our keys, exp, and that aud contains `audience`.
  [[nodiscard]] Result<Claims> validate(std::string_view token, const std::string& audience) const;

 private:
  struct Key {
    std::string id;
    PkeyPtr key;
  };
  JwtAuthority() = default;
  std::vector<Key> keys_;  // the newest last
};

}  // namespace spiffe::dev_agent
