#include "identity/jwt_svid.hh"

#include <algorithm>

#include "base/text.hh"
#include "identity/json.hh"
#include "identity/jws.hh"
#include "identity/numeric_date.hh"
#include "identity/refusal.hh"

namespace spiffe::identity {

using namespace std::chrono_literals;

namespace {

using nlohmann::json;

constexpr std::size_t kMaxPayload = 256UL * 1024;
constexpr std::size_t kMaxListed = 5;  // values that a message lists
constexpr auto kLeeway = 60s;          // the signer's clock may be fast

std::string listed(const std::vector<std::string>& values) {
  std::string out;
  const std::size_t shown_values = std::min(values.size(), kMaxListed);
  for (std::size_t i = 0; i < shown_values; ++i) out += (i == 0 ? "" : ", ") + shown(values[i]);
  if (values.size() > kMaxListed) out += " and " + std::to_string(values.size() - kMaxListed) + " more";
  return out;
}

Result<SpiffeId> read_subject(const json& claims, std::string_view expected) {
  const std::string* subject = string_member(claims, "sub");
  if (subject == nullptr || subject->empty()) return refuse("the token has no sub");
  auto id = SpiffeId::parse(*subject);
  if (!id) return fail(context("the token's sub", id.error()));
  if (expected.empty()) return id;
  const auto wanted = SpiffeId::parse(expected);
  if (!wanted) return fail(context("spiffe_id", wanted.error()));
  if (*id != *wanted) {
    return refuse("the token's sub is " + shown(id->str()) + ", but spiffe_id says " + shown(wanted->str()));
  }
  return id;
}

Result<std::vector<std::string>> read_audiences(const json& claims) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return refuse("the token has no aud");
  std::vector<std::string> audiences;
  if (found->is_string()) {
    audiences.push_back(found->get<std::string>());
  } else if (found->is_array()) {
    for (const json& each : *found) {
      if (!each.is_string()) return refuse("the token's aud holds something else than strings");
      audiences.push_back(each.get<std::string>());
    }
  } else {
    return refuse("the token's aud is neither a string nor a list");
  }
  if (audiences.empty()) return refuse("the token's aud is empty");
  return audiences;
}

Result<void> check_audiences(const std::vector<std::string>& audiences,
                             std::span<const std::string> expected) {
  for (const std::string& each : expected) {
    if (std::ranges::find(audiences, each) != audiences.end()) continue;
    return refuse("the token is not for the audience " + shown(each) + ": its aud is " + listed(audiences));
  }
  return {};
}

// A key of one trust domain must not verify tokens of another (Workload API, section 6.3).
Result<void> check_signature(const Jws& jws, const TrustDomain& domain, const JwtBundles& bundles) {
  if (jws.key_id.empty()) return refuse("the token's header has no kid");
  const JwtBundle* bundle = bundles.find(domain);
  if (bundle == nullptr)
    return refuse("there is no JWT bundle of the token's trust domain " + shown(domain.name()));
  const JwtAuthority* authority = bundle->find(jws.key_id);
  if (authority == nullptr) {
    return refuse("the JWT bundle of " + shown(domain.name()) + " has no key " + shown(jws.key_id) +
                  " (kid)");
  }
  if (auto verified = jws.verify(*authority); !verified) {
    return refuse(verified.error().message + " (key " + shown(jws.key_id) + " of " + shown(domain.name()) +
                  ")");
  }
  return {};
}

// `when` is the value of the claim `name`.
Result<void> check_begin(const char* what, const char* name, const std::optional<WallTime>& when,
                         WallTime now) {
  if (!when || *when <= now + kLeeway) return {};
  return refuse("the token " + std::string(what) + " (" + name + ")",
                std::string(name) + " is " + rfc3339(*when) + ", " + human(*when - now) +
                    " from now: compare the clocks of this machine and of the server that signs");
}

// exp has no leeway: a token that expires on arrival is useless. The times are in the hints, so that tokens
// with the same mistake give the same message, which is logged once.
Result<void> check_times(const json& claims, WallTime now, JwtSvid& svid) {
  const auto expiry = numeric_date(claims, "exp");
  if (!expiry) return fail(expiry.error());
  if (!*expiry) return refuse("the token has no exp");
  svid.expires_at = **expiry;
  if (svid.expires_at <= now) {
    return refuse("the token has expired",
                  "exp is " + rfc3339(svid.expires_at) + ", " + human(now - svid.expires_at) + " ago");
  }
  const auto begin = numeric_date(claims, "nbf");
  if (!begin) return fail(begin.error());
  if (auto checked = check_begin("is not valid yet", "nbf", *begin, now); !checked) return checked;
  const auto issued = numeric_date(claims, "iat");
  if (!issued) return fail(issued.error());
  svid.issued_at = *issued;
  return check_begin("was issued in the future", "iat", *issued, now);
}

Error none_selected(std::span<const JwtSvidMaterial> svids, std::string_view hint,
                    std::string_view spiffe_id) {
  std::string wanted;
  if (!hint.empty()) wanted = "hint " + shown(hint);
  if (!spiffe_id.empty()) wanted += (wanted.empty() ? "SPIFFE ID " : " and SPIFFE ID ") + shown(spiffe_id);
  std::vector<std::string> offered;
  for (const auto& svid : svids) {
    offered.push_back(svid.spiffe_id + (svid.hint.empty() ? " (no hint)" : " (hint " + svid.hint + ")"));
  }
  return {ErrorKind::no_identity, "no JWT-SVID has the " + wanted + "; the agent offers " + listed(offered)};
}

}  // namespace

Result<JwtSvid> JwtSvid::parse_and_verify(SecretBytes token, std::span<const std::string> audiences,
                                          std::string_view spiffe_id, const JwtBundles& bundles,
                                          WallTime now) {
  const auto jws = Jws::parse(token.text());
  if (!jws) return fail(jws.error());
  // The copy of the claims need not be zeroed: claims are useless without the signature.
  const auto claims = parse_json(jws->payload.text(), kMaxPayload);
  if (!claims) return fail(context("the token's payload", claims.error()));
  if (!claims->is_object()) return refuse("the token's payload is not a JSON object");
  auto id = read_subject(*claims, spiffe_id);
  if (!id) return fail(id.error());
  if (auto checked = check_signature(*jws, id->trust_domain(), bundles); !checked)
    return fail(checked.error());
  auto sent_audiences = read_audiences(*claims);
  if (!sent_audiences) return fail(sent_audiences.error());
  if (auto checked = check_audiences(*sent_audiences, audiences); !checked) return fail(checked.error());
  JwtSvid svid{.token = {},
               .id = *std::move(id),
               .audiences = *std::move(sent_audiences),
               .expires_at = {},
               .issued_at = {},
               .hint = {}};
  if (auto checked = check_times(*claims, now, svid); !checked) return fail(checked.error());
  svid.token = std::move(token);
  return svid;
}

Result<std::size_t> select_jwt_svid(std::span<const JwtSvidMaterial> svids, std::string_view hint,
                                    std::string_view spiffe_id) {
  if (svids.empty()) return refuse("the answer holds no JWT-SVID");
  for (std::size_t i = 0; i < svids.size(); ++i) {
    if (svids[i].spiffe_id.empty()) return refuse("svids[" + std::to_string(i) + "]: spiffe_id is empty");
    if (svids[i].token.empty()) {
      return refuse("svids[" + std::to_string(i) + "] (" + shown(svids[i].spiffe_id) + "): svid is empty");
    }
  }
  for (std::size_t i = 0; i < svids.size(); ++i) {
    const bool meant = (hint.empty() || svids[i].hint == hint) &&
                       (spiffe_id.empty() || same_id(svids[i].spiffe_id, spiffe_id));
    if (meant) return i;
  }
  return fail(none_selected(svids, hint, spiffe_id));
}

}  // namespace spiffe::identity
