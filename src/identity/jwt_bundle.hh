// The JWT authorities of one trust domain: SPIFFE Trust Domain and Bundle standard, section 4, as the
// Workload API serves them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity/jwt_authority.hh"
#include "identity/spiffe_id.hh"

namespace spiffe::identity {

// Immutable; copies share their content. Any thread.
class JwtBundle {
 public:
  // `jwks` is a JWK Set: an object with a list `keys`, which may be empty (nothing is trusted). A key with an
  // unknown kty or curve, a missing or wrong member, or another `use` than "jwt-svid" or "sig" is left out;
  // the other keys remain (section 4.1.3). A key without `use` is accepted although section 4.2.2 requires
  // one, because the Workload API sends its keys without it. The error (kind verification) names the trust
  // domain.
  static Result<JwtBundle> parse(TrustDomain trust_domain, std::string_view jwks);

  // The same for a document that is already parsed; raw() is empty.
  static Result<JwtBundle> from(TrustDomain trust_domain, const nlohmann::json& jwks);

  [[nodiscard]] const TrustDomain& trust_domain() const;
  // Null if no authority has this key ID. Owned by this object.
  [[nodiscard]] const JwtAuthority* find(std::string_view key_id) const;
  [[nodiscard]] const std::map<std::string, JwtAuthority, std::less<>>& authorities() const;  // by key ID
  // Why keys were left out: one line each, bounded. Keys of another `use` are not listed.
  [[nodiscard]] const std::vector<std::string>& left_out() const;
  [[nodiscard]] std::optional<std::uint64_t> sequence() const;             // spiffe_sequence
  [[nodiscard]] std::optional<std::chrono::seconds> refresh_hint() const;  // spiffe_refresh_hint
  [[nodiscard]] const std::string& raw() const;                            // the document as it was sent

  // The authorities as a JWK Set with standard parameters only, as the Go helper writes it, but sorted by key
  // ID: the Go helper's order is random.
  [[nodiscard]] std::string jwks() const;

 private:
  struct State;
  explicit JwtBundle(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace spiffe::identity
