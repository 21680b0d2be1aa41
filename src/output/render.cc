#include "output/render.hh"

#include <span>
#include <utility>
#include <vector>

#include "output/pem.hh"

namespace spiffe::output {

namespace {

using identity::Certificate;

constexpr std::string_view kCertificate = "CERTIFICATE";
constexpr std::string_view kPrivateKey = "PRIVATE KEY";

SecretBytes certificates_pem(std::span<const Certificate> certificates) {
  std::size_t size = 0;
  for (const Certificate& c : certificates) size += pem_size(kCertificate, c.der().size());
  SecretBytes out;
  out.reserve(size);
  for (const Certificate& c : certificates) append_pem(out, kCertificate, c.der());
  return out;
}

SecretBytes key_pem(const SecretBytes& der) {
  SecretBytes out;
  out.reserve(pem_size(kPrivateKey, der.size()));
  append_pem(out, kPrivateKey, der.bytes());
  return out;
}

std::vector<Certificate> bundle_of(const identity::X509Context& context, const X509Outputs& outputs,
                                   WallTime now) {
  std::vector<Certificate> all = context.bundle.authorities;
  const auto& chain = context.svid.chain;
  if (outputs.add_intermediates_to_bundle) all.insert(all.end(), chain.begin() + 1, chain.end());
  if (outputs.include_federated_domains) {
    for (const auto& [domain, bundle] : context.federated) {
      all.insert(all.end(), bundle.authorities.begin(), bundle.authorities.end());
    }
  }
  if (!outputs.omit_expired) return all;
  std::vector<Certificate> alive;
  for (const Certificate& c : all) {
    if (c.not_after() >= now) alive.push_back(c);
  }
  return alive.empty() ? all : alive;
}

Owner key_owner(const X509Outputs& outputs) {
  return {outputs.key_owner.user ? outputs.key_owner.user : outputs.owner.user,
          outputs.key_owner.group ? outputs.key_owner.group : outputs.owner.group};
}

}  // namespace

Result<FileSet> render(const identity::X509Context& context, const X509Outputs& outputs, WallTime now) {
  FileSet set;
  const auto add = [&set](const std::string& name, SecretBytes content, mode_t mode, Owner owner, Role role) {
    set.files.push_back({name, std::move(content), mode, owner, role, role == Role::key});
  };
  const auto& chain = context.svid.chain;
  if (!outputs.svid_file_name.empty()) {
    const std::size_t n = outputs.add_intermediates_to_bundle ? 1 : chain.size();
    add(outputs.svid_file_name, certificates_pem(std::span(chain).first(n)), outputs.cert_file_mode,
        outputs.owner, Role::certificate);
  }
  if (!outputs.svid_key_file_name.empty()) {
    add(outputs.svid_key_file_name, key_pem(context.svid.key), outputs.key_file_mode, key_owner(outputs),
        Role::key);
  }
  if (!outputs.svid_bundle_file_name.empty()) {
    add(outputs.svid_bundle_file_name, certificates_pem(bundle_of(context, outputs, now)),
        outputs.cert_file_mode, outputs.owner, Role::bundle);
  }
  return set;
}

}  // namespace spiffe::output
