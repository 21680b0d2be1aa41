// The unverified content of a token. Pure.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.hh"

namespace spiffe::cli {

struct Token {
  std::string algorithm;
  std::string key_id;
  std::string subject;  // "" if there is none
  nlohmann::json claims;
};

// `text` without leading and trailing white space.
[[nodiscard]] std::string_view trimmed(std::string_view text);

// Whether `text` looks like a compact JWS: three parts of base64url, the first one a JSON object.
[[nodiscard]] bool looks_like_token(std::string_view text);

// Error kind verification.
[[nodiscard]] Result<Token> read_token(std::string_view text);

}  // namespace spiffe::cli
