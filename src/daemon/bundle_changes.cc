#include "daemon/bundle_changes.hh"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace spiffe::daemon {

namespace {

using identity::Certificate;
using identity::TrustDomain;
using identity::X509Bundle;
using identity::X509Context;
using Authorities = std::vector<Certificate>;

std::string_view bytes_of(const Certificate& certificate) {
  return {reinterpret_cast<const char*>(certificate.der().data()), certificate.der().size()};
}

// The fingerprints of those that `others` does not contain; "" if there are none.
std::string missing_from(const Authorities& some, const Authorities& others) {
  std::unordered_set<std::string_view> held;
  for (const Certificate& other : others) held.insert(bytes_of(other));
  std::string out;
  std::size_t count = 0;
  for (const Certificate& each : some) {
    if (!held.insert(bytes_of(each)).second || ++count > BundleChanges::kMaxAuthorities) continue;
    out.append(out.empty() ? "" : ",").append(each.sha256());
  }
  if (count > BundleChanges::kMaxAuthorities) {
    out.append(",and ").append(std::to_string(count - BundleChanges::kMaxAuthorities)).append(" more");
  }
  return out;
}

// The bundle of this trust domain, the SVID's own or a federated one; null if there is none.
const X509Bundle* find(const X509Context* context, const TrustDomain& domain) {
  if (context == nullptr) return nullptr;
  if (context->bundle.trust_domain == domain) return &context->bundle;
  const auto found = context->federated.find(domain);
  return found != context->federated.end() ? &found->second : nullptr;
}

void compare(const X509Bundle* before, const X509Bundle* after, BundleChanges& out) {
  const Authorities none;
  const Authorities& then = before != nullptr ? before->authorities : none;
  const Authorities& now = after != nullptr ? after->authorities : none;
  if (before != nullptr && after != nullptr && std::ranges::equal(then, now)) return;
  if (out.lines.size() == BundleChanges::kMaxDomains) {
    ++out.left_out;
    return;
  }
  std::string added = missing_from(now, then);
  std::string removed = missing_from(then, now);
  if (added.empty() && removed.empty()) return;  // only the order changed
  const char* change = before == nullptr ? "added" : after == nullptr ? "removed" : "changed";
  const std::string& domain = (after != nullptr ? after : before)->trust_domain.name();
  log::Fields fields = {{"event", "bundle_changed"}, {"change", change}, {"trust_domain", domain}};
  if (!added.empty()) fields.push_back({"authorities_added", std::move(added)});
  if (!removed.empty()) fields.push_back({"authorities_removed", std::move(removed)});
  out.lines.push_back(std::move(fields));
}

}  // namespace

BundleChanges BundleChanges::between(const X509Context* before, const X509Context& after) {
  BundleChanges out;
  compare(find(before, after.bundle.trust_domain), &after.bundle, out);
  for (const auto& [domain, bundle] : after.federated) compare(find(before, domain), &bundle, out);
  if (before == nullptr) return out;
  if (find(&after, before->bundle.trust_domain) == nullptr) compare(&before->bundle, nullptr, out);
  for (const auto& [domain, bundle] : before->federated) {
    if (find(&after, domain) == nullptr) compare(&bundle, nullptr, out);
  }
  return out;
}

}  // namespace spiffe::daemon
