#include "cli/agent/x509_view.hh"

#include <utility>

#include "base/text.hh"
#include "cli/text/terminal.hh"
#include "identity/x509_bundle.hh"
#include "identity/x509_svid.hh"

namespace spiffe::cli {

namespace {

using identity::Certificate;
using identity::TrustDomain;
using identity::X509Bundle;
using identity::X509Svid;

// Why the SVID is not valid; "" if it is.
std::string problem_of(const identity::X509SvidMaterial& material, WallTime now,
                       std::vector<std::string>& warnings) {
  const auto svid = X509Svid::parse(material, warnings);
  if (!svid) return svid.error().message;
  const auto bundle = X509Bundle::parse(svid->id.trust_domain(), material.bundle);
  if (!bundle) return bundle.error().message;
  const auto verified = verify_chain(*svid, *bundle, now);
  return verified ? std::string() : verified.error().error.message;
}

BundleView bundle_of(const Result<TrustDomain>& domain, const identity::Bytes& der) {
  BundleView view;
  if (!domain) {
    view.problem = domain.error().message;
    return view;
  }
  auto bundle = X509Bundle::parse(*domain, der);
  if (bundle) {
    view.authorities = std::move(bundle->authorities);
  } else {
    view.problem = bundle.error().message;
  }
  return view;
}

}  // namespace

X509View view_of(const identity::X509Material& material, WallTime now) {
  X509View view;
  view.crls = material.crls.size();
  for (const auto& sent : material.svids) {
    SvidView& svid = view.svids.emplace_back();
    svid.id = escape(sent.spiffe_id, kMaxShown);
    svid.hint = escape(sent.hint, kMaxShown);
    svid.problem = problem_of(sent, now, svid.warnings);
    if (auto chain = Certificate::parse_concatenated(sent.certificates)) svid.chain = *std::move(chain);
    const auto id = identity::SpiffeId::parse(sent.spiffe_id);
    if (!id) continue;
    svid.trust_domain = id->trust_domain().name();
    auto [bundle, added] = view.bundles.try_emplace(svid.trust_domain);
    if (!added) continue;
    bundle->second = bundle_of(id->trust_domain(), sent.bundle);
    bundle->second.own = true;
  }
  for (const auto& [name, der] : material.federated_bundles) {
    const auto domain = TrustDomain::parse_name_or_id(name);
    const std::string shown = domain ? domain->name() : escape(name, kMaxShown);
    // Our own trust domain's bundle wins, otherwise the first of several.
    const auto [bundle, added] = view.bundles.try_emplace(shown);
    if (added) bundle->second = bundle_of(domain, der);
  }
  return view;
}

std::string first_problem(const X509View& view) {
  if (view.svids.empty()) return "the message holds no SVID";
  for (const SvidView& svid : view.svids) {
    if (!svid.problem.empty()) return svid.id + (svid.id.empty() ? "" : ": ") + svid.problem;
  }
  for (const auto& [domain, bundle] : view.bundles) {
    if (!bundle.problem.empty()) return domain + ": " + bundle.problem;
  }
  return {};
}

}  // namespace spiffe::cli
