// A JWT-SVID in a form for display. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "cli/text/json_text.hh"
#include "cli/text/terminal.hh"
#include "identity/jwt_bundles.hh"
#include "identity/jwt_material.hh"

namespace spiffe::cli {

// All text from outside is escaped. Claims are filled in only if the token is valid.
struct TokenView {
  std::string id;  // as sent by the agent
  std::string hint;
  std::string algorithm;  // "" if the token is not a JWS
  std::string key_id;
  std::vector<std::string> audiences;
  std::optional<WallTime> issued_at;
  std::optional<WallTime> expires_at;
  std::string problem;  // why it must not be used; "" if it is valid
};

[[nodiscard]] TokenView view_of(const identity::JwtSvidMaterial& token,
                                std::span<const std::string> audiences, const identity::JwtBundles& bundles,
                                WallTime now);

// Without the token itself.
[[nodiscard]] std::string text_of(const TokenView& view, WallTime now, const Terminal& terminal);
[[nodiscard]] Json json_of(const TokenView& view, WallTime now);

}  // namespace spiffe::cli
