#include "cli/files/token_text.hh"

#include <algorithm>

#include "identity/json.hh"
#include "identity/jws.hh"

namespace spiffe::cli {

namespace {

constexpr std::size_t kMaxPayload = 256UL * 1024;

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

bool looks_like_token(std::string_view text) {
  text = trimmed(text);
  // The base64url form of {", with which a JWS header begins.
  return text.starts_with("eyJ") && std::ranges::count(text, '.') == 2;
}

Result<Token> read_token(std::string_view text) {
  const auto jws = identity::Jws::parse(trimmed(text));
  if (!jws) return fail(jws.error());
  auto claims = identity::parse_json(jws->payload.text(), kMaxPayload);
  if (!claims) return fail(context("the token's payload", claims.error()));
  if (!claims->is_object()) return fail(ErrorKind::verification, "the token's payload is not a JSON object");
  const std::string* subject = identity::string_member(*claims, "sub");
  return Token{std::string(identity::algorithm_name(jws->algorithm)), jws->key_id,
               subject != nullptr ? *subject : std::string(), *std::move(claims)};
}

}  // namespace spiffe::cli
