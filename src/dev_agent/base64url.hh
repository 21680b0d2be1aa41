// base64url without padding, RFC 4648 section 5.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace spiffe::dev_agent {

[[nodiscard]] std::string base64url_encode(std::string_view bytes);
// Nothing where `text` holds another character (padding included) or has an impossible length.
[[nodiscard]] std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace spiffe::dev_agent
