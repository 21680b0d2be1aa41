#include "identity/jwt_bundle.hh"

#include <limits>
#include <utility>

#include "base/text.hh"
#include "identity/json.hh"
#include "identity/refusal.hh"

namespace spiffe::identity {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxDocument = 1024UL * 1024;  // bytes of one trust domain's JWKS: thousands of keys
constexpr std::size_t kMaxLeftOut = 8;               // reasons that are listed

// Whether the key is for something other than JWT-SVIDs. "sig" is RFC 7517's value for a key that verifies
// signatures: agents that use a library for their JWKS send it.
bool other_use(const json& jwk) {
  const auto use = jwk.find("use");
  return use != jwk.end() && *use != "jwt-svid" && *use != "sig";
}

std::string name_of(const json& jwk, std::size_t index) {
  const std::string* key_id = string_member(jwk, "kid");
  return "keys[" + std::to_string(index) + "]" + (key_id != nullptr ? " (kid " + shown(*key_id) + ")" : "");
}

}  // namespace

struct JwtBundle::State {
  TrustDomain trust_domain;
  std::string raw = {};
  std::map<std::string, JwtAuthority, std::less<>> authorities = {};
  std::vector<std::string> left_out = {};
  std::optional<std::uint64_t> sequence = {};
  std::optional<std::chrono::seconds> refresh_hint = {};

  void leave_out(std::string why) {
    if (left_out.size() < kMaxLeftOut) {
      left_out.push_back(std::move(why));
    } else if (left_out.size() == kMaxLeftOut) {
      left_out.emplace_back("further keys left out");
    }
  }

  void add(const json& jwk, std::size_t index) {
    if (other_use(jwk)) return;
    auto authority = JwtAuthority::from(jwk);
    if (!authority) {
      leave_out(name_of(jwk, index) + " left out: " + authority.error().message);
      return;
    }
    const std::string key_id = authority->key_id();
    const bool added = authorities.insert_or_assign(key_id, *std::move(authority)).second;
    if (!added) leave_out(name_of(jwk, index) + " replaces an earlier key of the same kid");
  }

  // A non-negative integer of 64 bits.
  std::optional<std::uint64_t> number(const json& document, const char* name) {
    const auto found = document.find(name);
    if (found == document.end()) return std::nullopt;
    if (found->is_number_unsigned()) return found->get<std::uint64_t>();
    leave_out(std::string(name) + " left out: no integer of 64 bits");
    return std::nullopt;
  }

  Result<void> read(const json& document) {
    if (!document.is_object()) return refuse("no JWK Set: not a JSON object");
    const auto keys = document.find("keys");
    if (keys == document.end()) return refuse("no JWK Set: it has no keys");
    if (!keys->is_array()) return refuse("no JWK Set: its keys are no list");
    std::size_t index = 0;
    for (const json& jwk : *keys) {
      if (!jwk.is_object()) return refuse("keys[" + std::to_string(index) + "] is not a JSON object");
      add(jwk, index++);
    }
    sequence = number(document, "spiffe_sequence");
    constexpr std::uint64_t kMostSeconds = std::numeric_limits<std::int32_t>::max();  // 68 years
    if (const auto hint = number(document, "spiffe_refresh_hint")) {
      refresh_hint = std::chrono::seconds(std::min(*hint, kMostSeconds));
    }
    return {};
  }
};

Result<JwtBundle> JwtBundle::parse(TrustDomain trust_domain, std::string_view jwks) {
  const auto named = [&trust_domain](Error error) {
    return fail(context("JWT bundle of " + quote(trust_domain.name()), std::move(error)));
  };
  const auto document = parse_json(jwks, kMaxDocument);
  if (!document) return named(document.error());
  State state{.trust_domain = trust_domain};
  if (auto read = state.read(*document); !read) return named(read.error());
  state.raw = jwks;
  return JwtBundle(std::make_shared<const State>(std::move(state)));
}

Result<JwtBundle> JwtBundle::from(TrustDomain trust_domain, const json& jwks) {
  const std::string outer = "JWT bundle of " + quote(trust_domain.name());
  State state{.trust_domain = std::move(trust_domain)};
  if (auto read = state.read(jwks); !read) return fail(context(outer, read.error()));
  return JwtBundle(std::make_shared<const State>(std::move(state)));
}

const TrustDomain& JwtBundle::trust_domain() const {
  return state_->trust_domain;
}

const JwtAuthority* JwtBundle::find(std::string_view key_id) const {
  const auto found = state_->authorities.find(key_id);
  return found != state_->authorities.end() ? &found->second : nullptr;
}

const std::map<std::string, JwtAuthority, std::less<>>& JwtBundle::authorities() const {
  return state_->authorities;
}

const std::vector<std::string>& JwtBundle::left_out() const {
  return state_->left_out;
}

std::optional<std::uint64_t> JwtBundle::sequence() const {
  return state_->sequence;
}

std::optional<std::chrono::seconds> JwtBundle::refresh_hint() const {
  return state_->refresh_hint;
}

const std::string& JwtBundle::raw() const {
  return state_->raw;
}

std::string JwtBundle::jwks() const {
  std::string out = R"({"keys":[)";
  for (const auto& [key_id, authority] : state_->authorities) {
    if (!out.ends_with('[')) out += ',';
    out += authority.jwk();
  }
  return out + "]}";
}

}  // namespace spiffe::identity
