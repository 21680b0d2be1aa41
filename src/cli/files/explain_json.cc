#include "cli/files/explain_json.hh"

#include <algorithm>
#include <chrono>

#include "base/base64.hh"
#include "base/text.hh"
#include "cli/files/describe_certificate.hh"
#include "cli/files/jwks_file.hh"
#include "cli/text/cat.hh"
#include "cli/text/lifetime.hh"
#include "cli/text/terminal.hh"
#include "identity/json.hh"
#include "identity/numeric_date.hh"

namespace spiffe::cli {

namespace {

using nlohmann::json;

std::string member(const json& object, const char* name) {
  const std::string* text = object.is_object() ? identity::string_member(object, name) : nullptr;
  return text != nullptr ? escape(*text, kMaxShown) : std::string();
}

std::string counted(std::size_t n, const char* what) {
  return cat({std::to_string(n), " ", what, (n == 1 ? "" : "s")});
}

// The numbers of authorities of one domain.
struct Counts {
  std::size_t x509 = 0;
  std::size_t jwt = 0;
};

// The first certificate of a JWK's x5c.
Result<identity::Certificate> certificate_of(const json& jwk) {
  const auto chain = jwk.find("x5c");
  const bool there = chain != jwk.end() && chain->is_array() && !chain->empty() && (*chain)[0].is_string();
  if (!there) return fail("has no x5c");
  const auto der = base64_decode((*chain)[0].get_ref<const std::string&>());
  if (!der) return fail("its x5c is not base64");
  return identity::Certificate::parse(der->bytes());
}

// `list`: adds a text row for each key as well.
Counts read_keys(Explained& out, const json& set, bool list, WallTime now) {
  Counts counts;
  const auto keys = set.find("keys");
  if (keys == set.end() || !keys->is_array()) return counts;
  Json listed = Json::array();
  for (const json& jwk : *keys) {
    const std::string use = member(jwk, "use");
    const bool x509 = use == "x509-svid";
    ++(x509 ? counts.x509 : counts.jwt);
    if (!list) continue;
    std::string line;
    if (x509) {
      const auto certificate = certificate_of(jwk);
      line = certificate ? certificate_line(*certificate, now) : certificate.error().message;
      if (certificate) out.certificates.push_back(*certificate);
      if (!certificate) out.problem("an X.509 authority " + certificate.error().message);
    } else {
      const std::string curve = member(jwk, "crv");
      const std::string id = member(jwk, "kid");
      line =
          cat({(id.empty() ? "no kid" : id), ", ", member(jwk, "kty"), (curve.empty() ? "" : " " + curve)});
    }
    if (listed.size() < kMaxListed) out.rows.row(x509 ? "authority" : "JWT key", line);
    listed.push_back({{"use", use},
                      {"key_id", member(jwk, "kid")},
                      {"type", member(jwk, "kty")},
                      {"curve", member(jwk, "crv")}});
  }
  if (listed.size() > kMaxListed)
    out.rows.row("", cat({"and ", std::to_string(listed.size() - kMaxListed), " more"}));
  if (list) out.json["keys"] = std::move(listed);
  return counts;
}

std::string in_words(const Counts& counts) {
  std::string out;
  if (counts.x509 > 0) out = std::to_string(counts.x509) + " X.509";
  if (counts.jwt > 0) out += cat({out.empty() ? "" : ", ", std::to_string(counts.jwt), " JWT"});
  return out.empty() ? "none: nothing is trusted" : out + (counts.x509 + counts.jwt == 1 ? " key" : " keys");
}

void describe_domains(Explained& out, const std::vector<NamedSet>& sets, WallTime now) {
  Json& listed = out.json["trust_domains"] = Json::array();
  Counts all;
  for (const auto& [domain, set] : sets) {
    const std::string name = escape(domain, kMaxShown);
    const bool good = set.is_object() && set.contains("keys");
    const Counts counts = good ? read_keys(out, set, false, now) : Counts{};
    const std::string words = good ? in_words(counts) : "no JWK Set";
    if (listed.size() < kMaxListed) out.rows.row(name, words);
    listed.push_back(
        {{"trust_domain", domain}, {"x509_authorities", counts.x509}, {"jwt_authorities", counts.jwt}});
    if (!good) out.problem(cat({"the entry of ", name, " is no JWK Set"}));
    all.x509 += counts.x509;
    all.jwt += counts.jwt;
  }
  if (listed.size() > kMaxListed) {
    out.rows.row("…", cat({"and ", std::to_string(listed.size() - kMaxListed), " more"}));
    out.rows.row("together", in_words(all));
  }
}

// hints.json of credential_folder: which of the neighbouring files belongs to which hint.
Explained explain_hints(const json& hints, std::size_t width) {
  Explained out;
  out.rows = TextTable(width, kRowIndent);
  out.title = "hints of " + counted(hints.size(), "SVID");
  out.json["kind"] = "hints";
  Json& listed = out.json["hints"] = Json::array();
  for (const json& each : hints) {
    const auto number = each.is_object() ? each.find("id") : each.end();
    const bool good = each.is_object() && number != each.end() && number->is_number_unsigned();
    if (!good) {
      out.problem("an entry has no id");
      continue;
    }
    const std::string id = std::to_string(number->get<std::uint64_t>());
    const std::string hint = member(each, "hint");
    if (listed.size() < kMaxListed) out.rows.row(id, hint.empty() ? "no hint" : hint);
    listed.push_back({{"id", *number}, {"hint", hint}, {"fingerprint", member(each, "fingerprint")}});
  }
  return out;
}

}  // namespace

Result<Explained> explain_json(std::string_view text, std::size_t width, WallTime now) {
  auto document = identity::parse_json(text, kMaxInput);
  if (!document) return fail(ErrorKind::failed, "not JSON: " + document.error().message);
  if (document->is_object()) {
    const auto hints = document->find("hints");
    if (hints != document->end() && hints->is_array()) return explain_hints(*hints, width);
  }
  const BundleKind kind = bundle_kind(*document);
  const auto sets = sets_of(*std::move(document));
  if (!sets) return fail(ErrorKind::failed, "JSON, but " + sets.error().message);
  Explained out;
  out.rows = TextTable(width, kRowIndent);
  if (kind == BundleKind::jwks) {
    out.json["kind"] = "jwks";
    const Counts counts = read_keys(out, sets->front().jwks, true, now);
    out.title = "JWK Set of " + counted(counts.x509 + counts.jwt, "key");
  } else {
    const bool map = kind == BundleKind::bundle_map;
    out.json["kind"] = map ? "bundle-map" : "jwt-bundles";
    out.title = (map ? "bundle map of " : "JWT bundles of ") + counted(sets->size(), "trust domain");
    describe_domains(out, *sets, now);
  }
  out.jwt_bundles = bundles_of(*sets, kLoneDomain);
  constexpr std::size_t kMost = 5;
  const auto& findings = out.jwt_bundles->findings;
  for (std::size_t i = 0; i < std::min(findings.size(), kMost); ++i)
    out.problem(cat({(kind == BundleKind::jwks ? "" : findings[i].subject + ": "), findings[i].message}));
  return out;
}

void describe_token(Explained& out, const Token& token, WallTime now) {
  const json& claims = token.claims;
  std::vector<std::string> audiences;
  if (const auto aud = claims.find("aud"); aud != claims.end()) {
    for (const json& each : aud->is_array() ? *aud : json::array({*aud})) {
      if (each.is_string()) audiences.push_back(escape(each.get_ref<const std::string&>(), kMaxShown));
    }
  }
  std::string shown;
  for (const std::string& each : audiences) shown += (shown.empty() ? "" : ", ") + each;
  const auto issued_claim = identity::numeric_date(claims, "iat");
  const auto expires_claim = identity::numeric_date(claims, "exp");
  const auto issued = issued_claim.value_or(std::nullopt);
  const auto expires = expires_claim.value_or(std::nullopt);
  const std::string subject = escape(token.subject, kMaxShown);
  out.rows.row("SPIFFE ID", subject);
  out.rows.row("audience", shown);
  if (expires) {
    const auto begin = issued.value_or(WallTime::min());
    const std::string left = time_left(WallTime::min(), *expires, now);
    out.rows.row("valid",
                 issued ? lifetime_text(begin, *expires, now) : cat({"to ", rfc3339(*expires), ", ", left}));
  }
  out.rows.row("signed", cat({token.algorithm, " by key ", escape(token.key_id, kMaxShown)}));
  out.json["kind"] = "jwt-svid";
  out.json["spiffe_id"] = subject;
  out.json["audience"] = audiences;
  out.json["issued_at"] = issued ? Json(rfc3339(*issued)) : Json();
  out.json["expires_at"] = expires ? Json(rfc3339(*expires)) : Json();
  out.json["algorithm"] = token.algorithm;
  out.json["key_id"] = escape(token.key_id, kMaxShown);
  if (!identity::SpiffeId::parse(token.subject)) out.problem("its sub is not a SPIFFE ID");
  for (const auto* claim : {&issued_claim, &expires_claim}) {
    if (!*claim) out.problem(claim->error().message);
  }
  if (expires_claim && !expires) out.problem("it has no exp");
}

}  // namespace spiffe::cli
