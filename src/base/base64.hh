// Base64, RFC 4648: with the standard alphabet and padding (section 4), and base64url without padding
// (section 5) as JOSE uses it. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.hh"

namespace spiffe {

[[nodiscard]] std::string base64_encode(std::span<const std::byte> bytes);
[[nodiscard]] std::string base64url_encode(std::span<const std::byte> bytes);
[[nodiscard]] inline std::string base64_encode(std::string_view text) {
  return base64_encode(std::as_bytes(std::span(text)));
}
[[nodiscard]] inline std::string base64url_encode(std::string_view text) {
  return base64url_encode(std::as_bytes(std::span(text)));
}

// nullopt unless `text` is exactly what the encoder makes of the bytes. Refused are any other character
// (including white space and line breaks), missing or unexpected padding, and bits set after the last byte.
// The result zeroes its memory, since it may be part of a token.
[[nodiscard]] std::optional<SecretBytes> base64_decode(std::string_view text);
[[nodiscard]] std::optional<SecretBytes> base64url_decode(std::string_view text);

}  // namespace spiffe
