#include "identity/x509_context.hh"

#include <algorithm>
#include <set>
#include <span>

#include "base/text.hh"
#include "identity/refusal.hh"
#include "identity/rsa_size.hh"

namespace spiffe::identity {

namespace {

constexpr std::size_t kMaxOffered = 10;  // SVIDs that a message lists

// Limits below the 64 MiB of a message bound the time to verify it.
constexpr std::size_t kMaxSvids = 10'000;
constexpr std::size_t kMaxChainBytes = std::size_t{1024} * 1024;       // the selected SVID's certificates
constexpr std::size_t kMaxBundleBytes = std::size_t{8} * 1024 * 1024;  // the authorities of its trust domain
// How many of the SVIDs that are not selected are verified, and up to how many bytes in total.
constexpr std::size_t kMaxExamined = 100;
constexpr std::size_t kMaxExaminedBytes = std::size_t{1024} * 1024;

Refusal refuse_message(std::string message, std::string_view spiffe_id = {}) {
  return {{ErrorKind::verification, std::move(message)}, sent_name(spiffe_id), std::nullopt, false};
}

Refusal refuse_svid(std::string_view spiffe_id, Error error) {
  Refusal refusal = refuse_message({}, spiffe_id);
  refusal.error = context(refusal.spiffe_id, std::move(error));
  return refusal;
}

// The first mandatory field that is empty, or "" (Workload API, section 5.2.1: all but hint).
std::string_view empty_field(const X509SvidMaterial& svid) {
  if (svid.spiffe_id.empty()) return "spiffe_id";
  if (svid.certificates.empty()) return "x509_svid";
  if (svid.key.empty()) return "x509_svid_key";
  return svid.bundle.empty() ? "bundle" : "";
}

std::optional<Refusal> check_fields(const X509Material& material) {
  if (material.svids.empty()) return refuse_message("the message holds no SVID");
  if (material.svids.size() > kMaxSvids) {
    return refuse_message("the message holds " + std::to_string(material.svids.size()) + " SVIDs, at most " +
                          std::to_string(kMaxSvids) + " are taken");
  }
  for (std::size_t i = 0; i < material.svids.size(); ++i) {
    const X509SvidMaterial& svid = material.svids[i];
    const std::string_view field = empty_field(svid);
    if (field.empty()) continue;
    const std::string id = svid.spiffe_id.empty() ? std::string() : " (" + sent_name(svid.spiffe_id) + ")";
    return refuse_message("svids[" + std::to_string(i) + "]" + id + ": " + std::string(field) + " is empty",
                          svid.spiffe_id);
  }
  return std::nullopt;
}

using Svids = std::vector<const X509SvidMaterial*>;

// Of SVIDs with the same hint the first one counts (Workload API, section 5.2.1).
Svids without_repeated_hints(const std::vector<X509SvidMaterial>& svids, std::vector<Finding>& findings) {
  Svids kept;
  std::set<std::string_view> seen;
  for (const X509SvidMaterial& svid : svids) {
    if (svid.hint.empty() || seen.insert(svid.hint).second) {
      kept.push_back(&svid);
    } else if (findings.size() < kMaxExamined) {
      findings.push_back({sent_name(svid.spiffe_id),
                          "left out: an SVID before it has the same hint \"" + sent_name(svid.hint) + "\""});
    }
  }
  return kept;
}

// `prefix` ends with "*"; scheme and trust domain are compared as in same_id().
bool begins_with(std::string_view id, std::string_view prefix) {
  prefix.remove_suffix(1);
  if (id.starts_with(prefix)) return true;
  // Most prefixes end with a slash, which an ID must not; the "x" makes it an ID.
  const auto begin = SpiffeId::parse(std::string(prefix) + "x");
  const auto parsed = SpiffeId::parse(id);
  if (!begin || !parsed) return false;
  std::string normal = begin->str();
  normal.pop_back();
  return parsed->str().starts_with(normal);
}

bool selects_id(std::string_view wanted, std::string_view id) {
  if (wanted.empty()) return true;
  return wanted.ends_with('*') ? begins_with(id, wanted) : same_id(wanted, id);
}

bool selects(const X509Selection& selection, const X509SvidMaterial& svid) {
  return (selection.hint.empty() || selection.hint == svid.hint) &&
         selects_id(selection.spiffe_id, svid.spiffe_id);
}

Refusal none_selected(const X509Selection& selection, const Svids& svids) {
  std::string wanted;
  if (!selection.hint.empty()) wanted = "hint \"" + sent_name(selection.hint) + "\"";
  if (!selection.spiffe_id.empty()) {
    wanted +=
        (wanted.empty() ? "" : " and ") + std::string("SPIFFE ID \"") + sent_name(selection.spiffe_id) + '"';
  }
  std::string offered;
  for (std::size_t i = 0; i < svids.size() && i < kMaxOffered; ++i) {
    offered += (i > 0 ? ", " : "") + sent_name(svids[i]->spiffe_id);
    offered += svids[i]->hint.empty() ? " (no hint)" : " (hint \"" + sent_name(svids[i]->hint) + "\")";
  }
  if (svids.size() > kMaxOffered) offered += " and " + std::to_string(svids.size() - kMaxOffered) + " more";
  Refusal refusal = refuse_message("no SVID has the " + wanted + "; the agent offers " + offered);
  refusal.not_offered = true;
  return refusal;
}

std::optional<Refusal> check_size(const X509SvidMaterial& svid) {
  const auto refused = [&svid](std::string_view field, std::size_t size, std::size_t most) {
    return refuse_svid(svid.spiffe_id, {ErrorKind::verification,
                                        std::string(field) + " has " + std::to_string(size) +
                                            " bytes, at most " + std::to_string(most) + " are taken"});
  };
  if (svid.certificates.size() > kMaxChainBytes)
    return refused("x509_svid", svid.certificates.size(), kMaxChainBytes);
  if (svid.bundle.size() > kMaxBundleBytes) return refused("bundle", svid.bundle.size(), kMaxBundleBytes);
  return std::nullopt;
}

// The selected SVID and the authorities of its trust domain.
std::expected<X509Context, Refusal> read_selected(const X509SvidMaterial& material,
                                                  const X509Context* previous, const X509Context* sibling) {
  const std::string& sent_id = material.spiffe_id;
  if (auto refusal = check_size(material)) return std::unexpected(*std::move(refusal));
  const auto known_chain =
      previous != nullptr ? std::span(previous->svid.chain) : std::span<const Certificate>();
  auto svid = X509Svid::split(material, known_chain);
  if (!svid) return std::unexpected(refuse_svid(sent_id, std::move(svid).error()));
  const X509Context* known = sibling != nullptr ? sibling : previous;
  const auto known_authorities =
      known != nullptr ? std::span(known->bundle.authorities) : std::span<const Certificate>();
  auto bundle = X509Bundle::parse(svid->id.trust_domain(), material.bundle, known_authorities);
  if (!bundle) return std::unexpected(refuse_svid(sent_id, std::move(bundle).error()));
  return X509Context{*std::move(svid), *std::move(bundle), {}, 1, 0, 1, {}, {}};
}

void warn_of_weak_authorities(const X509Bundle& bundle, std::vector<Finding>& findings) {
  for (const Certificate& authority : bundle.authorities) {
    if (!has_weak_rsa_key(authority)) continue;
    findings.push_back({sent_name(bundle.trust_domain.name()),
                        weak_rsa_warning(authority, "authority " + quote(authority.subject()))});
  }
}

std::optional<Refusal> verify_selected(const X509Context& context, std::string_view sent_id, WallTime now,
                                       bool verify, std::vector<Finding>& findings) {
  std::vector<std::string> warnings;
  auto checked = context.svid.check(warnings);
  if (checked) checked = context.svid.check_key();
  if (!checked) return refuse_svid(sent_id, std::move(checked).error());
  for (auto& warning : warnings) findings.push_back({sent_name(sent_id), std::move(warning)});
  warn_of_weak_authorities(context.bundle, findings);
  for (const auto& [domain, bundle] : context.federated) warn_of_weak_authorities(bundle, findings);
  if (!verify) return std::nullopt;
  auto verified = verify_chain(context.svid, context.bundle, now);
  if (verified) return std::nullopt;
  Refusal refusal = refuse_svid(sent_id, std::move(verified.error().error));
  refusal.valid_from = verified.error().valid_from;
  return refusal;
}

// Verifies another SVID as strictly as the selected one. `warnings` receives problems that do not
// refuse_message it.
std::expected<FurtherSvid, ChainRefusal> read_further(const X509SvidMaterial& material, std::size_t number,
                                                      std::span<const Certificate> known, WallTime now,
                                                      bool verify, std::vector<std::string>& warnings) {
  const auto refused = [](Error error) { return std::unexpected(ChainRefusal{std::move(error), {}}); };
  auto svid = X509Svid::parse(material, warnings);
  if (!svid) return refused(svid.error());
  auto bundle = X509Bundle::parse(svid->id.trust_domain(), material.bundle, known);
  if (!bundle) return refused(bundle.error());
  if (verify) {
    if (auto verified = verify_chain(*svid, *bundle, now); !verified)
      return std::unexpected(std::move(verified.error()));
  }
  return FurtherSvid{.number = number, .svid = *std::move(svid), .bundle = *std::move(bundle)};
}

// Why an SVID is not valid, or "".
std::string defect(const X509SvidMaterial& material, WallTime now, bool verify) {
  std::vector<std::string> ignored;
  const auto read = read_further(material, 0, {}, now, verify, ignored);
  return read ? std::string() : read.error().error.message;
}

// An error in an SVID that is not selected refuses nothing; it is only reported to the operator. Our own SVID
// is delayed meanwhile, hence the limit.
void report_unselected(const Svids& svids, const X509SvidMaterial* selected, WallTime now, bool verify,
                       std::vector<Finding>& findings) {
  std::size_t examined = 0;
  std::size_t bytes = 0;
  for (const X509SvidMaterial* svid : svids) {
    bytes += svid->certificates.size() + svid->bundle.size();
    if (examined == kMaxExamined || bytes > kMaxExaminedBytes) {
      findings.push_back({sent_name(selected->spiffe_id),
                          std::to_string(svids.size() - examined) + " of " + std::to_string(svids.size()) +
                              " SVIDs that are not selected are not examined"});
      return;
    }
    ++examined;
    const std::string what = defect(*svid, now, verify);
    if (!what.empty()) findings.push_back({sent_name(svid->spiffe_id), "not selected, and bad: " + what});
  }
}

// Collects the bundles of other trust domains from one message. A domain that the message does not contain is
// no longer federated (Workload API, section 4.4). A bundle that cannot be read keeps its previous content,
// so that a mistake in a foreign domain does not stop ours. A bundle under the name of our own trust domain
// is ignored: only the one that came with the SVID counts.
class FederatedBundles {
 public:
  FederatedBundles(X509Context& context, const X509Context* previous, const X509Context* sibling)
      : context_(context), previous_(previous), sibling_(sibling) {}

  void add(const std::string& name, const Bytes& der) {
    auto domain = TrustDomain::parse_name_or_id(name);
    if (!domain) return unreadable(sent_name(name), domain.error().message);
    if (*domain == context_.bundle.trust_domain) {
      return report(name, "a federated bundle for our own trust domain is ignored");
    }
    const X509Bundle* before = find(sibling_, *domain);
    if (before == nullptr || !before->is(der)) before = find(previous_, *domain);
    std::optional<X509Bundle> bundle;
    if (before == nullptr || !before->is(der)) bundle = parse(*domain, der, before);
    if (!bundle && before != nullptr) bundle = *before;  // unchanged, or the new one cannot be read
    if (!bundle) return;
    auto& federated = context_.federated;
    // Names arrive sorted, so most of them belong at the end.
    const std::size_t count = federated.size();
    federated.emplace_hint(federated.end(), *std::move(domain), *std::move(bundle));
    if (federated.size() == count) report(name, "a second bundle for this trust domain is ignored");
  }

 private:
  static const X509Bundle* find(const X509Context* context, const TrustDomain& domain) {
    if (context == nullptr) return nullptr;
    const auto found = context->federated.find(domain);
    return found != context->federated.end() ? &found->second : nullptr;
  }

  std::optional<X509Bundle> parse(const TrustDomain& domain, const Bytes& der, const X509Bundle* before) {
    const auto known = before != nullptr ? std::span(before->authorities) : std::span<const Certificate>();
    auto parsed = X509Bundle::parse(domain, der, known);
    if (parsed) return *std::move(parsed);
    unreadable(domain.name(), parsed.error().message);
    return std::nullopt;
  }

  void unreadable(std::string subject, const std::string& why) {
    if (sibling_ != nullptr) return;  // the sibling has reported it
    context_.findings.push_back({std::move(subject), "federated bundle not taken: " + why, true});
  }

  void report(const std::string& name, std::string message) {
    if (sibling_ != nullptr) return;
    context_.findings.push_back({sent_name(name), std::move(message)});
  }

  X509Context& context_;
  const X509Context* previous_;
  const X509Context* sibling_;
};

}  // namespace

std::expected<X509Context, Refusal> X509Context::read(const X509Material& material,
                                                      const X509Selection& selection,
                                                      const X509Context* previous,
                                                      const X509Context* sibling) {
  if (auto refusal = check_fields(material)) return std::unexpected(*std::move(refusal));
  std::vector<Finding> findings;
  const Svids svids = without_repeated_hints(material.svids, findings);
  const auto wanted = [&selection](const X509SvidMaterial* svid) { return selects(selection, *svid); };
  const auto chosen = std::ranges::find_if(svids, wanted);
  if (chosen == svids.end()) return std::unexpected(none_selected(selection, svids));
  auto result = read_selected(**chosen, previous, sibling);
  if (!result) return result;
  result->svids_received = material.svids.size();
  result->selected = static_cast<std::size_t>(*chosen - material.svids.data());
  result->matching = static_cast<std::size_t>(std::count_if(chosen, svids.end(), wanted));
  if (sibling == nullptr) result->findings.insert(result->findings.begin(), findings.begin(), findings.end());
  FederatedBundles federated(*result, previous, sibling);
  for (const auto& [name, der] : material.federated_bundles) federated.add(name, der);
  return result;
}

std::vector<std::size_t> X509Context::add_further(const X509Material& material,
                                                  const X509Selection& selection, WallTime now,
                                                  bool verify_chain) {
  std::vector<std::size_t> examined;
  std::vector<Finding> said_before;
  std::size_t bytes = 0;
  for (const X509SvidMaterial* each : without_repeated_hints(material.svids, said_before)) {
    const auto index = static_cast<std::size_t>(each - material.svids.data());
    if (index == selected || !selects(selection, *each)) continue;
    bytes += each->certificates.size() + each->bundle.size();
    if (examined.size() + 1 == kMaxExamined || bytes > kMaxExaminedBytes) {
      findings.push_back({sent_name(material.svids[selected].spiffe_id),
                          "only " + std::to_string(examined.size() + 1) + " of " + std::to_string(matching) +
                              " SVIDs are taken for credential_folder"});
      break;
    }
    examined.push_back(index);
    std::vector<std::string> warnings;
    auto read = read_further(*each, examined.size(), bundle.authorities, now, verify_chain, warnings);
    for (std::string& warning : warnings)
      findings.push_back({sent_name(each->spiffe_id), std::move(warning)});
    if (read) {
      further.push_back(*std::move(read));
      continue;
    }
    findings.push_back(
        {sent_name(each->spiffe_id), "left out of credential_folder: " + read.error().error.message});
    if (const auto from = read.error().valid_from)
      further_from = std::min(further_from.value_or(*from), *from);
  }
  return examined;
}

Verdict X509Context::verify(const X509Material& material, WallTime now, bool verify_chain,
                            const Others& others) const {
  const X509SvidMaterial& chosen = material.svids[selected];
  Verdict verdict;
  verdict.refusal = verify_selected(*this, chosen.spiffe_id, now, verify_chain, verdict.findings);
  if (others.examined) return verdict;
  std::vector<Finding> said_before;
  Svids rest = without_repeated_hints(material.svids, said_before);
  std::erase_if(rest, [&](const X509SvidMaterial* each) {
    return each == &chosen ||
           std::ranges::find(others.selected, static_cast<std::size_t>(each - material.svids.data())) !=
               others.selected.end();
  });
  report_unselected(rest, &chosen, now, verify_chain, verdict.findings);
  return verdict;
}

std::expected<X509Context, Refusal> X509Context::from(const X509Material& material,
                                                      const X509Selection& selection,
                                                      const X509Context* previous, WallTime now,
                                                      bool verify_chain) {
  auto context = read(material, selection, previous);
  if (!context) return context;
  Verdict verdict = context->verify(material, now, verify_chain);
  if (verdict.refusal) return std::unexpected(*std::move(verdict.refusal));
  for (Finding& finding : verdict.findings) context->findings.push_back(std::move(finding));
  return context;
}

WallTime X509Context::not_after() const {
  return svid.not_after();
}

}  // namespace spiffe::identity
