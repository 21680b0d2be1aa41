#include "output/encode_bundle_dir.hh"

#include <utility>

#include <limits.h>

#include "base/text.hh"
#include "output/certificates_pem.hh"
#include "output/trust_domains.hh"

namespace spiffe::output {

std::optional<std::string> bundle_file_name(const identity::TrustDomain& domain) {
  std::string name = domain.name() + ".pem";
  if (name.starts_with('.')) name.replace(0, 1, "%2E");
  return name.size() <= NAME_MAX ? std::optional(std::move(name)) : std::nullopt;
}

Result<Encoded> encode_bundle_dir(const Source& source, const EncodeOptions& options) {
  const identity::TrustDomain& own = source.identity.bundle.trust_domain;
  Encoded out;
  for (const auto& [domain, authorities] : authorities_by_domain(source, options)) {
    auto name = bundle_file_name(domain);
    if (!name && domain != own) continue;
    if (!name) {
      return fail(ErrorKind::verification,
                  "the name of the trust domain " + quote(own.name()) + " is too long for a file",
                  "use bundle_map_file_name in place of bundle_dir");
    }
    SecretBytes text;
    append_certificates(text, authorities);
    out.push_back({*std::move(name), std::move(text)});
  }
  return out;
}

}  // namespace spiffe::output
