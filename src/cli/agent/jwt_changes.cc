#include "cli/agent/jwt_changes.hh"

#include <algorithm>
#include <set>
#include <span>

#include "base/text.hh"
#include "cli/agent/changes.hh"

namespace spiffe::cli {

namespace {

using identity::JwtAuthority;
using identity::JwtBundle;
using identity::JwtBundles;

constexpr std::size_t kMaxKeys = 6;

bool holds(const JwtBundle* bundle, const std::string& id, const JwtAuthority& authority) {
  const JwtAuthority* same = bundle != nullptr ? bundle->find(id) : nullptr;
  return same != nullptr && same->jwk() == authority.jwk();
}

std::vector<JwtAuthority> missing_from(const JwtBundle* some, const JwtBundle* others) {
  std::vector<JwtAuthority> out;
  if (some == nullptr) return out;
  for (const auto& [id, authority] : some->authorities()) {
    if (!holds(others, id, authority)) out.push_back(authority);
  }
  return out;
}

void add_keys(TextTable& rows, std::string_view label, std::span<const JwtAuthority> keys) {
  const std::size_t shown = keys.size() > kMaxKeys + 1 ? kMaxKeys : keys.size();
  for (const JwtAuthority& each : keys.first(shown))
    rows.row(label, escape(each.key_id()) + ", " + std::string(identity::kind_name(each.kind())));
  if (shown < keys.size()) rows.row(label, "and " + std::to_string(keys.size() - shown) + " more");
}

std::string text_of(const JwtChange& change, const Terminal& terminal) {
  const char sign = !change.before ? '+' : !change.after ? '-' : '~';
  const Colour colour = sign == '+' ? Colour::green : sign == '-' ? Colour::red : Colour::yellow;
  std::string out =
      "  " + paint(terminal, colour, std::string(1, sign) + " JWT bundle of " + change.domain) + "\n";
  if (!change.after) return out;
  TextTable rows(std::min(terminal.width, kMaxWidth), kChangeIndent);
  add_keys(rows, change.before ? "added" : "key", change.added);
  add_keys(rows, "removed", change.removed);
  if (!change.before && change.added.empty()) rows.row("key", "none: no token is trusted");
  return out + rows.text();
}

template <class Keys>
Json keys_json(const Keys& keys) {
  Json out = Json::array();
  for (const JwtAuthority& each : keys) {
    Json& key = put_object(out);
    put(key, "key_id", escape(each.key_id()));
    put(key, "key_type", identity::kind_name(each.kind()));
  }
  return out;
}

}  // namespace

JwtChanges compare(const JwtBundles& before, const JwtBundles& after) {
  std::set<identity::TrustDomain> domains;
  for (const auto& [domain, bundle] : before.bundles) domains.insert(domain);
  for (const auto& [domain, bundle] : after.bundles) domains.insert(domain);
  JwtChanges out;
  for (const auto& domain : domains) {
    const JwtBundle* then = before.find(domain);
    const JwtBundle* now = after.find(domain);
    JwtChange change{domain.name(), then != nullptr, now != nullptr, missing_from(now, then),
                     missing_from(then, now)};
    const bool same = change.before && change.after && change.added.empty() && change.removed.empty();
    if (!same) out.push_back(std::move(change));
  }
  return out;
}

std::string text_of(const JwtChanges& changes, const Terminal& terminal) {
  const std::size_t shown = changes.size() > kMaxNamedBundles + 1 ? kMaxNamedBundles : changes.size();
  std::string out;
  for (const JwtChange& change : std::span(changes).first(shown)) out += text_of(change, terminal);
  if (shown < changes.size())
    out += "    and of " + std::to_string(changes.size() - shown) + " more trust domains\n";
  return out;
}

Json json_of(const JwtChanges& changes) {
  Json out = Json::array();
  for (const JwtChange& change : changes) {
    Json& each = put_object(out);
    put(each, "change", !change.before ? "added" : !change.after ? "removed" : "changed");
    put(each, "trust_domain", change.domain);
    each["keys_added"] = keys_json(change.added);
    each["keys_removed"] = keys_json(change.removed);
  }
  return out;
}

Json json_of(const JwtBundles& bundles) {
  Json out = Json::array();
  for (const auto& [domain, bundle] : bundles.bundles) {
    Json& each = put_object(out);
    put(each, "trust_domain", domain.name());
    std::vector<JwtAuthority> keys;
    for (const auto& [id, authority] : bundle.authorities()) keys.push_back(authority);
    each["jwt_authorities"] = keys_json(keys);
  }
  return out;
}

}  // namespace spiffe::cli
