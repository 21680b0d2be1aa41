#include "output/encode_bundle_map.hh"

#include <string>
#include <utility>

#include "base/base64.hh"
#include "base/text.hh"
#include "identity/public_key.hh"
#include "output/trust_domains.hh"

namespace spiffe::output {

namespace {

// The JWKs of one trust domain, without the surrounding brackets.
std::string keys_of(const std::vector<identity::Certificate>& authorities) {
  std::string out;
  for (const identity::Certificate& authority : authorities) {
    const auto members = identity::public_jwk_members(authority);
    if (!members) continue;
    if (!out.empty()) out += ',';
    out += '{' + *members + R"(,"use":"x509-svid","x5c":[")" + base64_encode(authority.der()) + R"("]})";
  }
  return out;
}

}  // namespace

Result<Encoded> encode_bundle_map(const Source& source, const EncodeOptions& options) {
  const identity::TrustDomain& own = source.identity.bundle.trust_domain;
  std::string domains;
  for (const auto& [domain, authorities] : authorities_by_domain(source, options)) {
    const std::string keys = keys_of(authorities);
    if (keys.empty()) {
      if (domain != own) continue;
      return fail(ErrorKind::verification,
                  "a bundle map cannot hold the authorities of " + quote(own.name()) +
                      ": none has an RSA key, or an EC key on P-256, P-384 or P-521",
                  "remove bundle_map_file_name");
    }
    if (!domains.empty()) domains += ',';
    // A trust domain's name contains nothing that JSON would escape.
    domains += '"' + domain.name() + R"(":{"keys":[)" + keys + "]}";
  }
  return one_file(SecretBytes(R"({"trust_domains":{)" + domains + "}}\n"));
}

}  // namespace spiffe::output
