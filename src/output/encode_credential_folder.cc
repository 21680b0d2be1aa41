#include "output/encode_credential_folder.hh"

#include <algorithm>
#include <span>
#include <utility>

#include <limits.h>

#include "base/go_json.hh"
#include "base/openssl.hh"
#include "base/text.hh"
#include "output/certificates_pem.hh"
#include "output/selected.hh"
#include "output/trust_domains.hh"

namespace spiffe::output {

namespace {

using identity::X509Bundle;
using identity::X509Svid;

// Section 2.1: the chain "MUST stop at the certificate preceding the trust anchor". The leaf is never taken
// for the anchor.
std::span<const identity::Certificate> without_anchor(const X509Svid& svid, const X509Bundle& bundle) {
  const auto anchor = std::find_if(svid.chain.begin() + 1, svid.chain.end(), [&](const auto& each) {
    return std::ranges::find(bundle.authorities, each) != bundle.authorities.end();
  });
  return {svid.chain.begin(), anchor};
}

SecretBytes credential_bundle(const X509Svid& svid, const X509Bundle& bundle) {
  constexpr std::string_view kLabel = "PRIVATE KEY";
  SecretBytes out;
  out.reserve(pem_size(kLabel, svid.key.size()));
  append_pem(out, kLabel, svid.key.bytes());
  append_certificates(out, without_anchor(svid, bundle));
  return out;
}

class Folder {
 public:
  explicit Folder(CredentialFolderDraft draft) : names_(names_of(draft)) {}

  Result<void> add_trust(const Source& source, const EncodeOptions& options) {
    const identity::TrustDomain& own = source.identity.bundle.trust_domain;
    AuthoritiesByDomain domains = authorities_by_domain(source, options);
    // An SVID's own bundle takes precedence over a federated one of the same name.
    for (const identity::FurtherSvid& each : source.identity.further) {
      if (each.bundle.trust_domain == own) continue;
      auto& kept = domains[each.bundle.trust_domain];
      kept = each.bundle.authorities;
      if (options.omit_expired) drop_expired(kept, source.now);
    }
    for (const auto& [domain, authorities] : domains) {
      auto name = trust_bundle_name(names_, domain);
      if (!name && domain == own) {
        return fail(ErrorKind::verification,
                    "no file of credential_folder can have the name of the trust domain " + quote(own.name()),
                    "use bundle_map_file_name in place of credential_folder");
      }
      if (!name) continue;
      SecretBytes text;
      append_certificates(text, authorities);
      files_.push_back({*std::move(name), std::move(text)});
    }
    return {};
  }

  void add_svid(std::size_t number, const X509Svid& svid, const X509Bundle& bundle) {
    SecretBytes content = credential_bundle(svid, bundle);
    const std::string sum = lower(hex(sha256(content.bytes())));
    files_.push_back({credential_bundle_name(names_, number), std::move(content)});
    if (!hints_.empty()) hints_ += ',';
    hints_ += R"({"hint":)";
    append_go_json(hints_, svid.hint);
    hints_ += R"(,"id":)" + std::to_string(number) + R"(,"fingerprint":"sha256:)" + sum + R"("})";
  }

  Encoded finish() {
    files_.push_back({std::string(kHintsName), SecretBytes(R"({"hints":[)" + hints_ + "]}\n")});
    return std::move(files_);
  }

 private:
  CredentialFolderNames names_;
  Encoded files_;
  std::string hints_;
};

}  // namespace

CredentialFolderNames names_of(CredentialFolderDraft draft) {
  switch (draft) {
    case CredentialFolderDraft::private_key:
      return {"credential-bundle.private-key.pem", ".spiffe-trust-bundle.pem"};
    case CredentialFolderDraft::plain:
      return {"credential-bundle.pem", ".trust-bundle.pem"};
    case CredentialFolderDraft::x509:
      break;
  }
  return {"credential-bundle.private-key.x509.pem", ".spiffe-trust-bundle.x509.pem"};
}

std::string credential_bundle_name(const CredentialFolderNames& names, std::size_t number) {
  return (number == 0 ? "" : std::to_string(number) + ".") + std::string(names.credentials);
}

std::optional<std::string> trust_bundle_name(const CredentialFolderNames& names,
                                             const identity::TrustDomain& domain) {
  std::string name = domain.name() + std::string(names.trust);
  if (name.size() > NAME_MAX || name.starts_with("..")) return std::nullopt;
  return name;
}

Result<Encoded> encode_credential_folder(const Source& source, const EncodeOptions& options) {
  Folder folder(options.credential_folder_draft);
  if (auto done = folder.add_trust(source, options); !done) return fail(done.error());
  const identity::X509Context& own = source.identity;
  folder.add_svid(0, own.svid, own.bundle);
  for (const identity::FurtherSvid& each : own.further) folder.add_svid(each.number, each.svid, each.bundle);
  return folder.finish();
}

}  // namespace spiffe::output
