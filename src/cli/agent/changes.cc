#include "cli/agent/changes.hh"

#include <algorithm>
#include <span>
#include <utility>

#include "cli/agent/identity_text.hh"

namespace spiffe::cli {

namespace {

using identity::Certificate;

constexpr std::size_t kMaxAuthorities = 3;

std::span<const Certificate> intermediates(const SvidView& svid) {
  return svid.chain.empty() ? std::span<const Certificate>() : std::span(svid.chain).subspan(1);
}

bool differs(const SvidChange& change) {
  return change.renewed() || change.rechained() || change.before->hint != change.after->hint ||
         change.before->problem != change.after->problem || change.before->warnings != change.after->warnings;
}

// Pairs SVIDs that are the same. Those left in `before` were removed, those left in `after` were added.
void pair_up(std::vector<const SvidView*>& before, std::vector<const SvidView*>& after, bool with_hint,
             std::vector<SvidChange>& out) {
  std::erase_if(after, [&](const SvidView* now) {
    const auto same = std::ranges::find_if(before, [&](const SvidView* then) {
      return then->id == now->id && (!with_hint || then->hint == now->hint);
    });
    if (same == before.end()) return false;
    out.push_back({*same, now});
    before.erase(same);
    return true;
  });
}

std::vector<Certificate> missing_from(const std::vector<Certificate>& some,
                                      const std::vector<Certificate>& others) {
  std::vector<Certificate> out;
  for (const Certificate& each : some) {
    if (std::ranges::find(others, each) == others.end()) out.push_back(each);
  }
  return out;
}

void compare_bundles(const std::string& domain, const BundleView* before, const BundleView* after,
                     std::vector<BundleChange>& out) {
  const BundleView none;
  const BundleView& then = before != nullptr ? *before : none;
  const BundleView& now = after != nullptr ? *after : none;
  BundleChange change{domain, before, after, missing_from(now.authorities, then.authorities),
                      missing_from(then.authorities, now.authorities)};
  if (before != nullptr && after != nullptr && change.added.empty() && change.removed.empty() &&
      then.problem == now.problem) {
    return;
  }
  out.push_back(std::move(change));
}

// "+ spiffe://…", with the sign and the name in colour.
std::string headline(char sign, const std::string& name, const Terminal& terminal) {
  const Colour colour = sign == '+' ? Colour::green : sign == '-' ? Colour::red : Colour::yellow;
  return "  " + paint(terminal, colour, std::string(1, sign) + " " + name) + "\n";
}

template <class Change>
char sign_of(const Change& change) {
  if (change.before == nullptr) return '+';
  return change.after == nullptr ? '-' : '~';
}

std::string text_of(const SvidChange& change, WallTime now, const Terminal& terminal) {
  const SvidView& svid = change.after != nullptr ? *change.after : *change.before;
  std::string out = headline(sign_of(change), svid.id, terminal);
  if (change.after == nullptr) return out;
  TextTable rows(std::min(terminal.width, kMaxWidth), kChangeIndent);
  const SvidView* before = change.before;
  if (before == nullptr ? !svid.hint.empty() : svid.hint != before->hint) {
    const std::string was =
        before == nullptr ? "" : ", was " + (before->hint.empty() ? "none" : before->hint);
    rows.row("hint", (svid.hint.empty() ? "none" : svid.hint) + was);
  }
  if (!svid.chain.empty() && (before == nullptr || change.renewed())) {
    add_identifiers(rows, before == nullptr ? "serial" : "new serial", svid.chain[0]);
    rows.row("valid", validity(svid.chain[0], now));
  }
  if (change.rechained()) {
    std::string label = before == nullptr ? "chain" : "new chain";
    for (const Certificate& each : intermediates(svid))
      rows.row(std::exchange(label, {}), in_short(each, now));
    if (intermediates(svid).empty()) rows.row(label, "the leaf alone");
  }
  for (const std::string& warning : svid.warnings) rows.row("warning", warning);
  if (!svid.problem.empty())
    return out + with_last_row(std::move(rows), "bad", svid.problem, Colour::red, terminal);
  if (before == nullptr || before->problem.empty()) return out + rows.text();
  return out + with_last_row(std::move(rows), "good", "again", Colour::green, terminal);
}

void add_authorities(TextTable& rows, const std::string& label, std::span<const Certificate> some,
                     WallTime now) {
  const std::size_t shown = some.size() > kMaxAuthorities + 1 ? kMaxAuthorities : some.size();
  for (const Certificate& each : some.first(shown)) rows.row(label, in_short(each, now));
  if (shown < some.size()) rows.row(label, "and " + std::to_string(some.size() - shown) + " more");
}

std::string text_of(const BundleChange& change, WallTime now, const Terminal& terminal) {
  const BundleView& bundle = change.after != nullptr ? *change.after : *change.before;
  const std::string kind = bundle.own ? "bundle of " : "federated bundle of ";
  std::string out = headline(sign_of(change), kind + change.domain, terminal);
  if (change.after == nullptr) return out;
  TextTable rows(std::min(terminal.width, kMaxWidth), kChangeIndent);
  add_authorities(rows, change.before == nullptr ? "authority" : "added", change.added, now);
  add_authorities(rows, "removed", change.removed, now);
  if (!bundle.problem.empty()) rows.row("bad", bundle.problem);
  return out + rows.text();
}

template <class View>
void put_change(Json& out, const View* before, const View* after) {
  put(out, "change", before == nullptr ? "added" : after == nullptr ? "removed" : "changed");
}

Json svid_json(const SvidChange& change, WallTime now) {
  const SvidView* before = change.before;
  const SvidView* after = change.after;
  Json out;
  put_change(out, before, after);
  const SvidView* newest = after != nullptr ? after : before;
  if (newest != nullptr) {
    put(out, "spiffe_id", newest->id);
    put(out, "hint", newest->hint);
  }
  if (before == nullptr || after == nullptr) return out;
  std::vector<std::string> what;
  if (change.renewed()) what.emplace_back("certificate");
  if (change.rechained()) what.emplace_back("chain");
  if (before->hint != after->hint) what.emplace_back("hint");
  if (before->problem != after->problem) what.emplace_back("problem");
  if (before->warnings != after->warnings) what.emplace_back("warnings");
  put(out, "what", what);
  out["previous"] = json_of(*before, now);
  return out;
}

Json bundle_json(const BundleChange& change, WallTime now) {
  Json out;
  put_change(out, change.before, change.after);
  put(out, "trust_domain", change.domain);
  const BundleView* newest = change.after != nullptr ? change.after : change.before;
  if (newest != nullptr) {
    put_flag(out, "own", newest->own);
    put(out, "problem", newest->problem);
  }
  out["authorities_added"] = json_of(change.added, now);
  out["authorities_removed"] = json_of(change.removed, now);
  return out;
}

}  // namespace

bool SvidChange::renewed() const {
  const auto leaf = [](const SvidView* svid) {
    return std::span(svid->chain).first(svid->chain.empty() ? 0 : 1);
  };
  return before != nullptr && after != nullptr && !std::ranges::equal(leaf(before), leaf(after));
}

bool SvidChange::rechained() const {
  if (after == nullptr) return false;
  if (before == nullptr) return !intermediates(*after).empty();
  return !std::ranges::equal(intermediates(*before), intermediates(*after));
}

Changes compare(const X509View& before, const X509View& after) {
  Changes changes;
  std::vector<const SvidView*> then;
  std::vector<const SvidView*> now;
  then.reserve(before.svids.size());
  now.reserve(after.svids.size());
  for (const SvidView& svid : before.svids) then.push_back(&svid);
  for (const SvidView& svid : after.svids) now.push_back(&svid);
  pair_up(then, now, true, changes.svids);
  pair_up(then, now, false, changes.svids);
  std::erase_if(changes.svids, [](const SvidChange& change) { return !differs(change); });
  for (const SvidView* svid : now) changes.svids.push_back({nullptr, svid});
  for (const SvidView* svid : then) changes.svids.push_back({svid, nullptr});

  for (const auto& [domain, bundle] : after.bundles) {
    const auto found = before.bundles.find(domain);
    compare_bundles(domain, found != before.bundles.end() ? &found->second : nullptr, &bundle,
                    changes.bundles);
  }
  for (const auto& [domain, bundle] : before.bundles) {
    if (!after.bundles.contains(domain)) compare_bundles(domain, &bundle, nullptr, changes.bundles);
  }
  return changes;
}

std::string text_of(const Changes& changes, WallTime now, const Terminal& terminal) {
  std::string out;
  for (const SvidChange& change : changes.svids) out += text_of(change, now, terminal);
  const std::size_t count = changes.bundles.size();
  const std::size_t shown = count > kMaxNamedBundles + 1 ? kMaxNamedBundles : count;
  for (const BundleChange& change : std::span(changes.bundles).first(shown))
    out += text_of(change, now, terminal);
  if (shown < count) out += "    and of " + std::to_string(count - shown) + " more trust domains\n";
  return out;
}

Json json_of(const Changes& changes, WallTime now) {
  Json out;
  Json& svids = put_list(out, "svids");
  for (const SvidChange& change : changes.svids) svids.push_back(svid_json(change, now));
  Json& bundles = put_list(out, "bundles");
  for (const BundleChange& change : changes.bundles) bundles.push_back(bundle_json(change, now));
  return out;
}

}  // namespace spiffe::cli
