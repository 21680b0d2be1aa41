// The JWT side of the trust domain: ES256 tokens, the JWKS that verifies them, and their verification.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hh"
#include "base/openssl.hh"
#include "base/result.hh"

namespace spiffe::dev_agent {

// What goes into a token; a fault may have made any of it wrong.
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

  // Adds a key, which signs from now on; of the older ones the JWKS keeps the last.
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
  // The signature by one of our keys, exp, and `audience` among aud.
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
