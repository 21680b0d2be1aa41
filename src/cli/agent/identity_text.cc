#include "cli/agent/identity_text.hh"

#include <algorithm>
#include <chrono>
#include <set>
#include <span>
#include <utility>

#include "base/text.hh"
#include "cli/files/describe_certificate.hh"
#include "cli/text/lifetime.hh"

namespace spiffe::cli {

namespace {

using identity::Certificate;
using identity::JwtBundle;
using identity::JwtBundles;

// A longer list would not be read; JSON has all trust domains.
constexpr std::size_t kMaxDomains = 12;

TextTable table(const Terminal& terminal) {
  return TextTable(std::min(terminal.width, kMaxWidth), kRowIndent);
}

// "1 authority", "2 authorities".
std::string counted(std::size_t n, std::string_view one, std::string_view many) {
  return std::to_string(n) + " " + std::string(n == 1 ? one : many);
}

// One row for each certificate, the first with `label`.
void add_certificates(TextTable& rows, std::string label, std::span<const Certificate> certificates,
                      WallTime now) {
  for (const Certificate& each : certificates) rows.row(std::exchange(label, {}), in_short(each, now));
}

void add_bundle(TextTable& rows, std::string label, const BundleView& bundle, WallTime now) {
  if (bundle.problem.empty()) {
    add_certificates(rows, std::move(label), bundle.authorities, now);
  } else {
    rows.row(std::move(label), "cannot be read: " + bundle.problem);
  }
}

std::string svid_text(const X509View& view, const SvidView& svid, WallTime now, const Terminal& terminal) {
  std::string out = paint(terminal, Colour::bold, svid.id.empty() ? "no SPIFFE ID" : svid.id) + "\n";
  TextTable rows = table(terminal);
  if (!svid.hint.empty()) rows.row("hint", svid.hint);
  if (!svid.chain.empty()) {
    rows.row("valid", validity(svid.chain[0], now));
    add_identifiers(rows, "serial", svid.chain[0]);
    add_certificates(rows, "chain", std::span(svid.chain).subspan(1), now);
  }
  const auto bundle = view.bundles.find(svid.trust_domain);
  if (bundle != view.bundles.end()) add_bundle(rows, "bundle", bundle->second, now);
  for (const std::string& warning : svid.warnings) rows.row("warning", warning);
  if (!svid.problem.empty())
    return out + with_last_row(std::move(rows), "bad", svid.problem, Colour::red, terminal);
  return out + with_last_row(std::move(rows), "good", "key, certificate and bundle belong together",
                             Colour::green, terminal);
}

// The federated bundles, one per line.
std::string federated_text(const X509View& view, const Terminal& terminal) {
  TextTable rows = table(terminal);
  std::size_t count = 0;
  for (const auto& [domain, bundle] : view.bundles) {
    if (bundle.own || ++count > kMaxDomains) continue;
    rows.row(domain, bundle.problem.empty() ? counted(bundle.authorities.size(), "authority", "authorities")
                                            : "cannot be read: " + bundle.problem);
  }
  if (count == 0) return {};
  if (count > kMaxDomains) rows.row("and " + std::to_string(count - kMaxDomains) + " more", "");
  return "\n" + paint(terminal, Colour::bold, "federated with " + counted(count, "domain", "domains")) +
         "\n" + rows.text();
}

// Every trust domain that has a bundle of either kind.
std::set<std::string> domains_of(const X509View& view, const JwtBundles& jwt) {
  std::set<std::string> out;
  for (const auto& [domain, bundle] : view.bundles) out.insert(domain);
  for (const auto& [domain, bundle] : jwt.bundles) out.insert(domain.name());
  return out;
}

const JwtBundle* jwt_bundle(const JwtBundles& jwt, const std::string& domain) {
  const auto parsed = identity::TrustDomain::parse(domain);
  return parsed ? jwt.find(*parsed) : nullptr;
}

}  // namespace

std::string with_last_row(TextTable rows, std::string_view label, std::string_view value, Colour colour,
                          const Terminal& terminal) {
  std::string text = rows.text();
  rows.row(label, value);
  std::string all = rows.text();
  // The label is too short to widen its column, so `text` stays a prefix.
  all.pop_back();
  return text + paint(terminal, colour, std::string_view(all).substr(text.size())) + "\n";
}

void add_identifiers(TextTable& rows, std::string_view label, const Certificate& certificate) {
  rows.row(label, serial_of(certificate));
  rows.row("SHA-256", certificate.sha256());
  std::string names;
  for (const std::string& name : dns_names_of(certificate)) names += (names.empty() ? "" : ", ") + name;
  if (!names.empty()) rows.row("DNS names", names);
}

std::string validity(const Certificate& certificate, WallTime now) {
  return lifetime_text(certificate.not_before(), certificate.not_after(), now);
}

std::string in_short(const Certificate& certificate, WallTime now) {
  std::string subject;
  // Spaces allow line breaks. A comma within a name is escaped with a backslash.
  for (const char c : certificate.subject()) {
    const bool separates = c == ',' && !subject.ends_with('\\');
    subject += c;
    if (separates) subject += ' ';
  }
  if (subject.empty()) subject = "serial " + serial_of(certificate);
  return subject + ", " + time_left(certificate.not_before(), certificate.not_after(), now);
}

std::string serial_of(const Certificate& certificate) {
  std::string serial = certificate.serial();
  return serial.empty() ? "none" : serial;
}

std::string text_of(const X509View& view, WallTime now, const Terminal& terminal) {
  std::string out;
  for (const SvidView& svid : view.svids) {
    if (!out.empty()) out += '\n';
    out += svid_text(view, svid, now, terminal);
  }
  out += federated_text(view, terminal);
  if (view.crls > 0) out += "\n" + counted(view.crls, "revocation list", "revocation lists") + "\n";
  return out;
}

std::string text_of(const X509View& view, const JwtBundles& jwt, WallTime now, const Terminal& terminal) {
  std::string out;
  for (const std::string& domain : domains_of(view, jwt)) {
    if (!out.empty()) out += '\n';
    const auto x509 = view.bundles.find(domain);
    const bool own = x509 != view.bundles.end() && x509->second.own;
    out += paint(terminal, Colour::bold, domain) + (own ? " (own)\n" : "\n");
    TextTable rows = table(terminal);
    if (x509 != view.bundles.end()) add_bundle(rows, "X.509", x509->second, now);
    if (const JwtBundle* bundle = jwt_bundle(jwt, domain)) {
      std::string label = "JWT";
      for (const auto& [id, authority] : bundle->authorities()) {
        const auto kind = std::string(identity::kind_name(authority.kind()));
        rows.row(std::exchange(label, {}), "key " + escape(id) + ", " + kind);
      }
      if (!label.empty()) rows.row(label, "no key: no token is trusted");
      for (const std::string& why : bundle->left_out()) rows.row("warning", why);
    }
    out += rows.text();
  }
  for (const auto& finding : jwt.findings)
    out += paint(terminal, Colour::yellow, "warning: " + finding.subject + ": " + finding.message) + "\n";
  return out;
}

Json json_of(const Certificate& certificate, WallTime now) {
  Json out = certificate_json(certificate, now);
  put(out, "pem", certificate.pem());
  return out;
}

Json json_of(const std::vector<Certificate>& certificates, WallTime now) {
  Json out = Json::array();
  for (const Certificate& each : certificates) out.push_back(json_of(each, now));
  return out;
}

Json json_of(const SvidView& svid, WallTime now) {
  Json out;
  put(out, "spiffe_id", svid.id);
  put(out, "hint", svid.hint);
  put_flag(out, "good", svid.problem.empty());
  put(out, "problem", svid.problem);
  put(out, "warnings", svid.warnings);
  out["chain"] = json_of(svid.chain, now);
  return out;
}

Json json_of(const X509View& view, WallTime now) {
  Json out;
  Json& svids = put_list(out, "svids");
  for (const SvidView& svid : view.svids) svids.push_back(json_of(svid, now));
  out["bundles"] = json_of(view, {}, now)["bundles"];
  put(out, "crls", static_cast<long long>(view.crls));
  return out;
}

Json json_of(const X509View& view, const JwtBundles& jwt, WallTime now) {
  Json out;
  Json& list = put_list(out, "bundles");
  for (const std::string& domain : domains_of(view, jwt)) {
    const auto x509 = view.bundles.find(domain);
    const BundleView bundle = x509 != view.bundles.end() ? x509->second : BundleView{};
    Json& each = put_object(list);
    put(each, "trust_domain", domain);
    put_flag(each, "own", bundle.own);
    put(each, "problem", bundle.problem);
    each["x509_authorities"] = json_of(bundle.authorities, now);
    const JwtBundle* tokens = jwt_bundle(jwt, domain);
    if (tokens == nullptr) continue;
    Json& keys = put_list(each, "jwt_authorities");
    for (const auto& [id, authority] : tokens->authorities()) {
      Json& key = put_object(keys);
      put(key, "key_id", id);
      put(key, "key_type", identity::kind_name(authority.kind()));
    }
    put(each, "jwks", tokens->raw());
  }
  return out;
}

}  // namespace spiffe::cli
