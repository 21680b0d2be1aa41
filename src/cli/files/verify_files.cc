#include "cli/files/verify_files.hh"

#include <algorithm>

#include "base/base64.hh"
#include "base/text.hh"
#include "cli/files/jwks_file.hh"
#include "cli/files/key_block.hh"
#include "cli/files/pem_blocks.hh"
#include "cli/files/pkcs12_file.hh"
#include "cli/files/token_text.hh"
#include "cli/text/cat.hh"
#include "identity/json.hh"
#include "identity/jwt_svid.hh"
#include "identity/private_key.hh"
#include "identity/refusal.hh"

namespace spiffe::cli {

namespace {

using identity::Certificate;
using identity::refuse;
using identity::SpiffeId;

// An error in the bundle is not a verdict on the identity.
std::unexpected<Error> no_bundle(Error error) {
  error = context("bundle", std::move(error));
  error.kind = ErrorKind::failed;
  if (error.hint.empty()) error.hint = "-bundle takes the file that holds the trust domain's authorities";
  return fail(std::move(error));
}

Result<std::vector<PemBlock>> blocks_of(std::string_view content, const SecretBytes* password) {
  if (content.find("-----BEGIN ") == std::string_view::npos) {
    const SecretBytes bytes(content);
    if (is_pkcs12(bytes)) return pkcs12_blocks(bytes, password);
  }
  return parse_pem(content);
}

Result<identity::Bytes> certificates_among(const std::vector<PemBlock>& blocks) {
  identity::Bytes der;
  for (const PemBlock& block : blocks) {
    if (block.label != "CERTIFICATE") continue;
    const auto bytes = block.der.bytes();
    // Each block is parsed separately, since readers of PEM use only the first certificate of a block.
    if (const auto one = Certificate::parse(bytes, Certificate::Keep::der_only); !one)
      return fail(one.error());
    der.insert(der.end(), bytes.begin(), bytes.end());
  }
  if (der.empty()) return refuse("holds no PEM certificate");
  return der;
}

Result<void> is_of(const SpiffeId& found, const std::optional<SpiffeId>& id) {
  if (!id || found == *id) return {};
  return refuse(cat({"it is of ", quote(found.str()), ", not of ", quote(id->str())}));
}

// The certificates and the key as a message of the agent, with the leaf's ID as spiffe_id.
Result<identity::X509SvidMaterial> read_material(std::string_view svid, const SecretBytes* password) {
  const auto blocks = blocks_of(svid, password);
  if (!blocks) return fail(blocks.error());
  auto der = certificates_among(*blocks);
  if (!der) return fail(der.error());
  identity::X509SvidMaterial material;
  material.certificates = *std::move(der);
  const auto chain = Certificate::parse_concatenated(material.certificates);
  if (!chain) return fail(chain.error());
  const auto id = identity::leaf_id(chain->front());
  if (!id) return fail(context("leaf certificate", id.error()));
  material.spiffe_id = id->str();
  const auto key = std::ranges::find_if(*blocks, &is_private_key);
  if (key == blocks->end()) return material;
  if (std::ranges::count_if(*blocks, &is_private_key) > 1) return refuse("holds several private keys");
  auto read = read_key(*key);
  if (!read) return fail(read.error());
  material.key = std::move(read->pkcs8);
  return material;
}

// The X.509 authorities of this trust domain in a bundle map, or those of a JWK Set, which contains no name.
Result<identity::Bytes> authorities_in(std::string_view bundle, const identity::TrustDomain& domain) {
  auto document = identity::parse_json(bundle, kMaxInput);
  if (!document) return fail(document.error());
  const auto sets = sets_of(*std::move(document));
  if (!sets) return fail(sets.error());
  identity::Bytes der;
  for (const NamedSet& set : *sets) {
    if (!set.domain.empty() && set.domain != domain.name()) continue;
    const auto keys = set.jwks.find("keys");
    if (keys == set.jwks.end() || !keys->is_array()) continue;
    for (const nlohmann::json& key : *keys) {
      if (!key.is_object() || key.value("use", nlohmann::json()) != "x509-svid") continue;
      const nlohmann::json chain = key.value("x5c", nlohmann::json());
      const bool there = chain.is_array() && !chain.empty() && chain[0].is_string();
      const auto one = there ? base64_decode(chain[0].get_ref<const std::string&>()) : std::nullopt;
      if (!one) return refuse("a key of " + quote(domain.name()) + " has no certificate in its x5c");
      der.insert(der.end(), one->bytes().begin(), one->bytes().end());
    }
  }
  if (der.empty()) return refuse("holds no X.509 authority of " + quote(domain.name()));
  return der;
}

}  // namespace

Result<identity::TrustDomain> trust_domain_of(std::string_view svid, const SecretBytes* password) {
  const auto material = read_material(svid, password);
  if (!material) return fail(material.error());
  const auto id = SpiffeId::parse(material->spiffe_id);
  if (!id) return fail(id.error());
  return id->trust_domain();
}

Result<identity::Bytes> certificates_of(std::string_view content, const SecretBytes* password) {
  const auto blocks = blocks_of(content, password);
  if (!blocks) return fail(blocks.error());
  return certificates_among(*blocks);
}

Result<Verified> verify_x509(std::string_view svid, std::string_view bundle,
                             const std::optional<SpiffeId>& id, WallTime now, const SecretBytes* password) {
  const bool json = trimmed(bundle).starts_with('{');
  auto authorities = json ? Result<identity::Bytes>() : certificates_of(bundle, password);
  if (!authorities) return no_bundle(authorities.error());
  const auto material = read_material(svid, password);
  if (!material) return fail(material.error());
  Verified out;
  const auto read = identity::X509Svid::read(*material, out.warnings);
  if (!read) return fail(read.error());
  if (json) authorities = authorities_in(bundle, read->id.trust_domain());
  if (!authorities) return no_bundle(authorities.error());
  const auto trusted = identity::X509Bundle::parse(read->id.trust_domain(), *authorities);
  if (!trusted) return no_bundle(trusted.error());
  if (auto same = is_of(read->id, id); !same) return fail(same.error());
  if (!read->key.empty()) {
    const auto checked = identity::check_private_key(read->key.bytes(), read->leaf().x509_without_key());
    if (!checked) return fail(checked.error());
  }
  if (auto verified = identity::verify_chain(*read, *trusted, now); !verified)
    return fail(verified.error().error);
  out.spiffe_id = read->id.str();
  out.not_after = read->not_after();
  return out;
}

Result<Verified> verify_jwt(std::string_view token, std::span<const std::string> audiences,
                            std::string_view bundle, const std::optional<SpiffeId>& id, WallTime now) {
  auto document = identity::parse_json(bundle, kMaxInput);
  if (!document) return no_bundle(document.error());
  const auto sets = sets_of(*std::move(document));
  if (!sets) return no_bundle(sets.error());
  const auto claims = read_token(token);
  if (!claims) return fail(claims.error());
  const auto subject = SpiffeId::parse(claims->subject);
  // A JWK Set contains no name; it is used for the token's trust domain.
  const auto bundles = bundles_of(*sets, subject ? subject->trust_domain().name() : "unknown");
  if (bundles.bundles.empty()) {
    return no_bundle(
        {ErrorKind::failed, bundles.findings.empty() ? "is empty" : bundles.findings[0].message});
  }
  const auto svid = identity::JwtSvid::parse_and_verify(SecretBytes(trimmed(token)), audiences,
                                                        id ? id->str() : std::string(), bundles, now);
  if (!svid) return fail(svid.error());
  return Verified{svid->id.str(), svid->expires_at, {}};
}

}  // namespace spiffe::cli
