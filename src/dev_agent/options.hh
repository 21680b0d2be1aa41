// The agent's options, and the flags that set them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hh"
#include "dev_agent/fault.hh"
#include "dev_agent/key.hh"
#include "identity/spiffe_id.hh"

namespace spiffe::dev_agent {

// The flags as text, with their defaults.
struct Flags {
  std::string socket;
  std::string control;
  std::string trust_domain = "example.org";
  std::vector<std::string> ids;  // "spiffe://…" or "/path", each with or without ",hint=…"
  std::string ttl = "1h";
  std::string jwt_ttl = "5m";
  std::string rotate_every;  // "": half the ttl; "0": never
  int federated = 0;
  std::string key_type = "ec-p256";
  bool intermediate = false;
  bool cross_signed_root = false;
  std::string fault;
  std::string send_log;
  bool quiet = false;
};

struct Identity {
  identity::SpiffeId id;
  std::string hint;
};

struct Options {
  std::string socket;
  std::string control;  // "" = none
  identity::TrustDomain trust_domain;
  std::vector<Identity> ids;  // never empty
  std::chrono::seconds ttl;
  std::chrono::seconds jwt_ttl;
  std::chrono::nanoseconds rotate_every;  // 0 = never
  std::size_t federated = 0;
  KeyType key_type = KeyType::ec_p256;
  bool intermediate = false;
  bool cross_signed_root = false;
  std::optional<FaultRequest> fault;
  std::string send_log;  // "" = none
  bool quiet = false;

  // The error (kind usage) names the flag.
  static Result<Options> from(const Flags& flags);
};

// "1h", "1h30m", "1.5s", "250ms", "0".
[[nodiscard]] Result<std::chrono::nanoseconds> parse_duration(std::string_view text);
// "spiffe://example.org/x" or "/x" or "x", with ",hint=h" or without.
[[nodiscard]] Result<Identity> parse_identity(std::string_view text,
                                              const identity::TrustDomain& trust_domain);

}  // namespace spiffe::dev_agent
