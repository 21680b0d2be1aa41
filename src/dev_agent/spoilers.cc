#include "dev_agent/spoilers.hh"

#include <chrono>

namespace spiffe::dev_agent::spoilers {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMebibyte = std::size_t{1024} * 1024;

std::string garbage() {
  return "this is neither a certificate nor a key nor anything else that is DER";
}

}  // namespace

Result<> truncated_der(Svid& svid, const Issuer&, long) {
  svid.certificates.resize(svid.certificates.size() - 20);
  return {};
}

Result<> trailing_der(Svid& svid, const Issuer&, long) {
  svid.certificates += "trailing";
  return {};
}

Result<> garbage_der(Svid& svid, const Issuer&, long) {
  svid.certificates = garbage();
  return {};
}

Result<> wrong_key(Svid& svid, const Issuer& issuer, long) {
  const auto key = make_key(issuer.options().key_type);
  if (!key) return fail(key.error());
  auto encoded = pkcs8(key->get());
  if (!encoded) return fail(encoded.error());
  svid.key = *std::move(encoded);
  return {};
}

Result<> bad_key(Svid& svid, const Issuer&, long) {
  svid.key = garbage();
  return {};
}

Result<> wrong_id(Svid& svid, const Issuer&, long) {
  svid.spiffe_id += "-other";
  return {};
}

Result<> bad_id(Svid& svid, const Issuer&, long) {
  svid.spiffe_id = "https://" + svid.spiffe_id.substr(sizeof("spiffe://") - 1);
  return {};
}

Result<> expired(Svid& svid, const Issuer& issuer, long) {
  CertificateSpec spec = issuer.spec(svid.spiffe_id);
  spec.not_before = wall_now() - 50min;
  spec.not_after = wall_now() - 5min;
  return issuer.issue(spec, svid);
}

Result<> not_yet_valid(Svid& svid, const Issuer& issuer, long seconds) {
  CertificateSpec spec = issuer.spec(svid.spiffe_id);
  spec.not_before = wall_now() + std::chrono::seconds(seconds);
  spec.not_after = spec.not_before + issuer.options().ttl;
  return issuer.issue(spec, svid);
}

Result<> wrong_ca(Svid& svid, const Issuer& issuer, long) {
  return issuer.issue_by_stranger(issuer.spec(svid.spiffe_id), svid);
}

Result<> ca_leaf(Svid& svid, const Issuer& issuer, long) {
  CertificateSpec spec = issuer.spec(svid.spiffe_id);
  spec.ca = true;
  return issuer.issue(spec, svid);
}

Result<> no_uri(Svid& svid, const Issuer& issuer, long) {
  CertificateSpec spec = issuer.spec(svid.spiffe_id);
  spec.uris.clear();
  spec.common_name = "no URI SAN";
  return issuer.issue(spec, svid);
}

Result<> two_uris(Svid& svid, const Issuer& issuer, long) {
  CertificateSpec spec = issuer.spec(svid.spiffe_id);
  spec.uris.push_back(svid.spiffe_id + "-second");
  return issuer.issue(spec, svid);
}

Result<> empty_id(Svid& svid, const Issuer&, long) {
  svid.spiffe_id.clear();
  return {};
}

Result<> empty_svid(Svid& svid, const Issuer&, long) {
  svid.certificates.clear();
  return {};
}

Result<> empty_key(Svid& svid, const Issuer&, long) {
  svid.key.clear();
  return {};
}

Result<> empty_bundle(Svid& svid, const Issuer&, long) {
  svid.bundle.clear();
  return {};
}

Result<> bad_bundle(Svid& svid, const Issuer&, long) {
  svid.bundle = garbage();
  return {};
}

Result<> unknown_hint(Svid& svid, const Issuer&, long) {
  svid.hint = "unknown";
  return {};
}

Result<> no_svids(Snapshot& snapshot) {
  snapshot.svids.clear();
  return {};
}

Result<> bad_federated(Snapshot& snapshot) {
  if (snapshot.federated.empty()) snapshot.federated["spiffe://federated-1.example"] = "";
  snapshot.federated.begin()->second = garbage();
  return {};
}

Result<> oversized(Snapshot& snapshot) {
  pad(snapshot, 65 * kMebibyte);
  return {};
}

Result<> no_jwt_bundles(Snapshot& snapshot) {
  snapshot.jwt_bundles.clear();
  return {};
}

Result<> bad_jwt_bundle(Snapshot& snapshot) {
  snapshot.jwt_bundles[snapshot.trust_domain_id] = R"({"keys": [{"kty": "EC", )";
  return {};
}

void jwt_expired(JwtDraft& draft) {
  draft.issued_at -= 2h;
  draft.expires_at = draft.issued_at + 1h;
}

void jwt_bad_signature(JwtDraft& draft) {
  draft.corrupt_signature = true;
}

void jwt_unknown_key(JwtDraft& draft) {
  draft.key_id = "unknown";
}

void jwt_wrong_audience(JwtDraft& draft) {
  draft.audience = {"somebody-else"};
}

void jwt_wrong_id(JwtDraft& draft) {
  draft.subject += "-other";
}

void pad(Snapshot& snapshot, std::size_t bytes) {
  std::string& padding = snapshot.federated["spiffe://padding.example"];
  padding.reserve(bytes + snapshot.bundle.size());
  while (padding.size() < bytes) padding += snapshot.bundle;
}

}  // namespace spiffe::dev_agent::spoilers
