#include "dev_agent/issuer.hh"

namespace spiffe::dev_agent {

namespace {

// Clocks of laptops and virtual machines differ a little.
constexpr std::chrono::seconds kBackdate{10};

}  // namespace

Result<Issuer> Issuer::create(Options options) {
  Issuer issuer(std::move(options));
  if (auto made = issuer.rotate_authority(); !made) return fail(made.error());
  return issuer;
}

Result<> Issuer::rotate_authority() {
  Authority above;
  const std::string id = options_.trust_domain.id();
  if (options_.cross_signed_root) {
    auto made = make_authority(options_.trust_domain.name() + " elder root", "", nullptr);
    if (!made) return fail(made.error());
    above = *std::move(made);
  }
  auto root = make_authority(root_name(), id, options_.cross_signed_root ? &above : nullptr);
  if (!root) return fail(root.error());
  Authority signer;
  std::string intermediates;
  const std::string root_der = der(root->certificate.get());
  if (options_.intermediate) {
    auto made = make_authority(options_.trust_domain.name() + " intermediate", id, &*root);
    if (!made) return fail(made.error());
    intermediates = der(made->certificate.get());
    signer = *std::move(made);
  } else {
    signer = *std::move(root);
  }
  signer_ = std::move(signer);
  intermediates_ = std::move(intermediates);
  roots_.push_back(root_der);
  if (roots_.size() > 2) roots_.erase(roots_.begin());
  bundle_.clear();
  for (const std::string& one : roots_) bundle_ += one;
  return {};
}

CertificateSpec Issuer::spec(const std::string& spiffe_id) const {
  const WallTime now = wall_now();
  return {
      .common_name = "", .uris = {spiffe_id}, .not_before = now - kBackdate, .not_after = now + options_.ttl};
}

Result<> Issuer::issue(const CertificateSpec& spec, Svid& svid) const {
  return sign(spec, signer_, intermediates_, svid);
}

Result<> Issuer::issue_by_stranger(const CertificateSpec& spec, Svid& svid) const {
  auto stranger = make_authority(root_name(), options_.trust_domain.id(), nullptr);
  if (!stranger) return fail(stranger.error());
  return sign(spec, *stranger, "", svid);
}

Result<> Issuer::sign(const CertificateSpec& spec, const Authority& authority, const std::string& rest,
                      Svid& svid) const {
  const auto key = make_key(options_.key_type);
  if (!key) return fail(key.error());
  const auto certificate = make_certificate(spec, key->get(), &authority);
  if (!certificate) return fail(certificate.error());
  auto encoded = pkcs8(key->get());
  if (!encoded) return fail(encoded.error());
  svid.certificates = der(certificate->get()) + rest;
  svid.key = *std::move(encoded);
  svid.serial = serial_hex(certificate->get());
  return {};
}

}  // namespace spiffe::dev_agent
